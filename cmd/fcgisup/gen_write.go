package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// write makes the tree what it should be and reports each file.
func (g *generation) write(src *source, files []fcgisup.File) error {
	changes, err := g.compare(src, files)
	if err != nil {
		return err
	}
	touched := map[string]bool{}
	var report strings.Builder
	for _, c := range changes {
		if err = c.apply(touched); err != nil {
			break
		}
		fmt.Fprintf(&report, "%-9s  %s\n", c.verb, c.place)
	}
	// Told only now: a reader that has left, as head(1) does, ends us when we write.
	err = errors.Join(err, syncFolders(touched))
	_, printed := io.WriteString(g.env.out, report.String())
	return errors.Join(err, printed)
}

// syncFolders makes what apply did last; a folder that has gone with its files has nothing to keep.
func syncFolders(touched map[string]bool) error {
	for folder := range touched {
		if err := syncFolder(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot write %s: %w", folder, err)
		}
	}
	return nil
}

func (c change) apply(touched map[string]bool) error {
	folder := filepath.Dir(c.place)
	switch c.verb {
	case "unchanged":
		return nil
	case "removed":
		if err := os.Remove(c.place); err != nil {
			return fmt.Errorf("cannot remove %s: %w", c.name, err)
		}
		// The folder of a drop-in goes too, unless the administrator has files in it; nginx's conf.d is not ours.
		if strings.HasSuffix(folder, ".socket.d") && os.Remove(folder) == nil {
			folder = filepath.Dir(folder)
		}
	default:
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("cannot write %s: %w", c.name, err)
		}
		if err := replaceFile(c.place, c.new, c.mode); err != nil {
			return fmt.Errorf("cannot write %s: %w", c.name, err)
		}
		touched[filepath.Dir(folder)] = true
	}
	touched[folder] = true
	return nil
}

// replaceFile puts a file in place in one step: a reader finds the old or the new one, never a part.
func replaceFile(place string, data []byte, mode fs.FileMode) error {
	return replaceOwned(place, data, mode, -1, -1)
}

// replaceOwned is replaceFile for a file of another user, who owns it before it has content; -1 leaves an ID, chown(2).
func replaceOwned(place string, data []byte, mode fs.FileMode, uid, gid int) error {
	f, err := os.CreateTemp(filepath.Dir(place), "."+filepath.Base(place)+".*")
	if err != nil {
		return err
	}
	if err = f.Chown(uid, gid); err == nil {
		_, err = f.Write(data)
	}
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), place)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// syncFolder makes renames last.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
