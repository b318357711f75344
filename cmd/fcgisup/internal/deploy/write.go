package deploy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/internal/atomicfile"
)

// write makes the tree what it should be and reports each file.
func (g *Generation) write(src *Source, files []fcgisup.File) error {
	changes, err := g.Compare(src, files)
	if err != nil {
		return err
	}
	orphans, err := g.orphans(src)
	if err != nil {
		return err
	}
	changes = append(changes, orphans...)
	touched := map[string]bool{}
	var report strings.Builder
	for _, c := range changes {
		if err = c.apply(touched); err != nil {
			break
		}
		fmt.Fprintf(&report, "%-9s  %s\n", c.Verb, c.Place)
	}
	// Told only now: a reader that has left, as head(1) does, ends us when we write.
	err = errors.Join(err, syncFolders(touched))
	_, printed := io.WriteString(g.Env.Out, report.String())
	return errors.Join(err, printed)
}

// syncFolders makes what apply did last; a directory that has gone with its files has nothing to keep.
func syncFolders(touched map[string]bool) error {
	for folder := range touched {
		if err := atomicfile.SyncDir(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot write %s: %w", folder, err)
		}
	}
	return nil
}

func (c Change) apply(touched map[string]bool) error {
	folder := filepath.Dir(c.Place)
	switch c.Verb {
	case "unchanged":
		return nil
	case "removed":
		if err := os.Remove(c.Place); err != nil {
			return fmt.Errorf("cannot remove %s: %w", c.Name, err)
		}
		// The directory of a drop-in goes too, unless the administrator has files in it; nginx's conf.d is not ours.
		if strings.HasSuffix(folder, ".socket.d") && os.Remove(folder) == nil {
			folder = filepath.Dir(folder)
		}
	default:
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("cannot write %s: %w", c.Name, err)
		}
		if err := atomicfile.Replace(c.Place, c.New, c.mode); err != nil {
			return fmt.Errorf("cannot write %s: %w", c.Name, err)
		}
		touched[filepath.Dir(folder)] = true
	}
	touched[folder] = true
	return nil
}
