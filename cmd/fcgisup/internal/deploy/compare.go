package deploy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/webserver"
	"github.com/fcgisup/fcgisup/units"
)

// Change is what a tree of files needs at one place.
type Change struct {
	// Place is the file on disk, name the path that gen prints.
	Place, Name string
	// Verb is created, changed, unchanged or removed.
	Verb     string
	Old, New []byte
	mode     fs.FileMode
	// was is when old was written, as far as that may have to be restored.
	was time.Time
	// unedited tells that old is what gen renders, for whatever number of instances.
	unedited bool
}

// Installed is where a rendered file belongs when it is in use.
func Installed(name string) string {
	if place, ok := webserver.Installed(name); ok {
		return place
	}
	folder, file := path.Split(name)
	switch {
	case folder != "nginx/":
		return path.Join("/etc/systemd/system", strings.TrimPrefix(name, "systemd/"))
	case strings.HasSuffix(file, "-location.conf"):
		return path.Join("/etc/nginx/snippets", file)
	}
	return path.Join("/etc/nginx/conf.d", file)
}

func (g *Generation) place(name string) string {
	if g.Dir == "" {
		return Installed(name)
	}
	return filepath.Join(g.Dir, filepath.FromSlash(name))
}

// Compare tells how what is on disk differs, stale files last.
func (g *Generation) Compare(src *Source, files []fcgisup.File) ([]Change, error) {
	var changes []Change
	ours := map[string]bool{}
	for _, f := range files {
		c, err := compareFile(g.place(f.Path), f)
		if err != nil {
			return nil, err
		}
		ours[f.Path] = true
		changes = append(changes, c)
	}
	if !g.Units {
		return changes, nil
	}
	stale, err := g.stale(src, ours)
	return append(changes, stale...), err
}

func compareFile(place string, f fcgisup.File) (Change, error) {
	c := Change{Place: place, Name: f.Path, Verb: "unchanged", New: f.Data, mode: f.Mode}
	old, err := os.ReadFile(place)
	if errors.Is(err, fs.ErrNotExist) {
		c.Verb = "created"
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("cannot read %s: %w", place, term.CauseOf(err))
	}
	c.Old = old
	if !bytes.Equal(old, f.Data) {
		c.Verb = "changed"
	}
	return c, nil
}

// stale finds unit files of the same apps that are no longer rendered, such as
// the drop-in of an instance that does not exist any more. Only a file that says that gen
// made it for this app is ours to remove.
func (g *Generation) stale(src *Source, ours map[string]bool) ([]Change, error) {
	folder := g.place("systemd")
	if g.Dir == "" {
		folder = path.Dir(Installed("systemd/any"))
	}
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot look for stale units: %w", err)
	}
	var changes []Change
	for _, e := range entries {
		at := slices.IndexFunc(src.Apps, func(a fcgisup.App) bool { return mayBelong(e.Name(), a) })
		if at < 0 {
			continue
		}
		name := "systemd/" + e.Name()
		if e.IsDir() {
			name += "/listen.conf"
		}
		if ours[name] {
			continue
		}
		data, err := os.ReadFile(g.place(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for stale units: %w", err)
		}
		if generatedFor(data, src.Apps[at].Name) {
			changes = append(changes, Change{Place: g.place(name), Name: name, Verb: "removed", Old: data})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return changes, nil
}

// mayBelong tells by its name whether a file may be one of the app's units.
func mayBelong(file string, a fcgisup.App) bool {
	rest, ok := strings.CutPrefix(file, a.Name+"-fastcgi")
	if !ok {
		return false
	}
	isDropIn := strings.HasPrefix(rest, "@") && strings.HasSuffix(rest, ".socket.d")
	return isDropIn || rest == "-fleet.target"
}

// generatedFor reports whether gen wrote a file for this app.
func generatedFor(data []byte, app string) bool {
	line, _, _ := strings.Cut(string(data), "\n")
	command, ok := strings.CutPrefix(line, units.Header)
	words := strings.Fields(command)
	return ok && len(words) >= 3 && slices.Equal(words[:3], []string{"fcgisup", "gen", app})
}

// drift prints what compare found as a diff.
func (g *Generation) drift(src *Source, files []fcgisup.File) error {
	changes, err := g.Compare(src, files)
	if err != nil {
		return err
	}
	orphans, err := g.orphans(src)
	if err != nil {
		return err
	}
	changes = append(changes, orphans...)
	same := true
	for _, c := range changes {
		if c.Verb == "unchanged" {
			continue
		}
		same = false
		if _, err := fmt.Fprint(g.Env.Out, c.diff()); err != nil {
			return fmt.Errorf("cannot print the difference: %w", err)
		}
	}
	if len(orphans) > 0 && g.Dir == "" {
		fmt.Fprintln(g.Err, "hint: fcgisup apply removes apps that the configuration does not have any more")
	}
	if !same {
		return term.Exit(term.ExitFail)
	}
	return nil
}

// diff is the change as diff -u shows it.
func (c Change) diff() string {
	from, to := c.Place, c.Place+" (generated)"
	switch c.Verb {
	case "created":
		from = os.DevNull
	case "removed":
		to = os.DevNull
	}
	return unifiedDiff(from, to, string(c.Old), string(c.New))
}
