package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/units"
)

// recognize marks the files that are what gen renders for the app, if for
// another number of instances: somebody has copied them here, or the record of
// the apply that wrote them is lost. One that was edited is none of them.
func recognize(app fcgisup.App, changes []change) {
	for _, n := range countsIn(app, changes) {
		before := app
		before.Instances = n
		alone := &fcgisup.Config{Apps: []fcgisup.App{before}}
		if alone.Scale(n, []string{app.Name}) != nil {
			continue
		}
		for i := range changes {
			c := &changes[i]
			c.unedited = c.unedited || c.old != nil && generatedFor(c.old, app.Name) && bytes.Equal(c.old, renderedAs(c, before))
		}
	}
}

// renderedAs is the file of a change as the command in its header renders it.
func renderedAs(c *change, app fcgisup.App) []byte {
	line, _, _ := strings.Cut(string(c.old), "\n")
	command := strings.TrimPrefix(line, units.Header)
	if strings.HasPrefix(c.name, "nginx/") {
		return dataOf(nginx.Render(app, nginx.Options{Generator: command}), c.name)
	}
	o := units.Options{Generator: command}
	for words := strings.Fields(command); len(words) > 1; words = words[1:] {
		switch words[0] {
		case "--config":
			o.Config = words[1]
		case "--binary":
			o.Binary = words[1]
		}
	}
	files, err := units.Render(app, o)
	if err != nil {
		return nil
	}
	return dataOf(files, c.name)
}

func dataOf(files []fcgisup.File, name string) []byte {
	i := slices.IndexFunc(files, func(f fcgisup.File) bool { return f.Path == name })
	if i < 0 {
		return nil
	}
	return files[i].Data
}

var namedInstance = regexp.MustCompile(`-fastcgi@([1-9][0-9]{0,4})\.(?:socket|service)`)

// countsIn are the numbers of instances that the files on disk may have been rendered for.
func countsIn(app fcgisup.App, changes []change) []int {
	counts := []int{app.Instances}
	for _, c := range changes {
		n := 0
		switch filepath.Base(c.name) {
		case app.Name + "-upstream.conf":
			n = bytes.Count(c.old, []byte("\tserver "))
		case app.Name + "-fastcgi.target":
			for _, m := range namedInstance.FindAllSubmatch(c.old, -1) {
				i, _ := strconv.Atoi(string(m[1]))
				n = max(n, i)
			}
		}
		if n > 0 && !slices.Contains(counts, n) {
			counts = append(counts, n)
		}
	}
	return counts
}
