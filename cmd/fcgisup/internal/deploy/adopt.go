package deploy

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/units"
)

// recognize marks the files that are what gen renders for the app, if for
// another number of instances: they were copied here, or the record of
// the apply that wrote them is lost. One that was edited is none of them.
func recognize(app fcgisup.App, changes []Change) {
	for _, n := range countsIn(app, changes) {
		before := &fcgisup.Config{Apps: []fcgisup.App{app}}
		if before.Scale(n, []string{app.Name}) != nil {
			continue
		}
		made := map[string]map[string][]byte{} // by command: all drop-ins have the same
		for i := range changes {
			c := &changes[i]
			if c.Verb == "unchanged" || c.unedited || !generatedFor(c.Old, app.Name) {
				continue
			}
			line, _, _ := strings.Cut(string(c.Old), "\n")
			command := strings.TrimPrefix(line, units.Header)
			if made[command] == nil {
				made[command] = renderedBy(command, before.Apps[0])
			}
			c.unedited = bytes.Equal(c.Old, made[command][c.Name])
		}
	}
}

// renderedBy are the files of an app as the command in their header renders them, by name.
func renderedBy(command string, app fcgisup.App) map[string][]byte {
	o := units.Options{Generator: command}
	for words := strings.Fields(command); len(words) > 1; words = words[1:] {
		switch words[0] {
		case "--config":
			o.Config = words[1]
		case "--binary":
			o.Binary = words[1]
		}
	}
	files := nginx.Render(app, nginx.Options{Generator: command, DownHosts: downIn(command)})
	if some, err := units.Render(app, o); err == nil {
		files = append(files, some...)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Path] = f.Data
	}
	return byName
}

// countsIn are the numbers of instances that the files on disk may have been rendered for.
func countsIn(app fcgisup.App, changes []Change) []int {
	counts := []int{app.Instances}
	for _, c := range changes {
		n := 0
		switch filepath.Base(c.Name) {
		case app.Name + "-upstream.conf":
			n = bytes.Count(c.Old, []byte("\tserver ")) / max(len(app.Hosts), 1)
		case units.Names(app.Name).Target():
			n = units.HighestIn(c.Old)
		}
		if n > 0 && !slices.Contains(counts, n) {
			counts = append(counts, n)
		}
	}
	return counts
}
