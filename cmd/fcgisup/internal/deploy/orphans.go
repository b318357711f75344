package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// orphans finds files that gen wrote for apps that the same configuration does not have any more. A run for some apps only,
// or for a command line, says nothing about others.
func (g *Generation) orphans(src *Source) ([]Change, error) {
	if !src.complete {
		return nil, nil
	}
	var names []string
	if g.Units {
		names = append(names, "systemd/*-fastcgi.target", "systemd/*-fastcgi-fleet.target", "systemd/*-fastcgi@.service", "systemd/*-fastcgi@.socket", "systemd/*-fastcgi@*.socket.d/listen.conf")
	}
	if g.Nginx {
		names = append(names, "nginx/*-location.conf", "nginx/*-upstream.conf")
	}
	var all []Change
	for _, name := range names {
		places, err := filepath.Glob(g.placeOf(name))
		if err != nil {
			return nil, fmt.Errorf("cannot look for files of removed apps: %w", err)
		}
		for _, place := range places {
			data, err := os.ReadFile(place)
			if err != nil {
				return nil, fmt.Errorf("cannot look for files of removed apps: %w", err)
			}
			if src.orphaned(data) {
				all = append(all, Change{Place: place, Name: place, Verb: "removed", Old: data})
			}
		}
	}
	return all, nil
}

// placeOf is the pattern of the places of files, in a directory whose own name may have the characters of a pattern.
func (g *Generation) placeOf(name string) string {
	if g.Dir == "" {
		return Installed(name)
	}
	return filepath.Join(strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(g.Dir), filepath.FromSlash(name))
}

// orphaned reports whether gen wrote a file for an app of this configuration that it does not have now.
func (s *Source) orphaned(data []byte) bool {
	line, _, _ := strings.Cut(string(data), "\n")
	command, ok := strings.CutPrefix(line, units.Header)
	words := strings.Fields(command)
	if !ok || len(words) < 3 || !slices.Equal(words[:2], []string{"fcgisup", "gen"}) || slices.Contains(words, "--") {
		return false
	}
	if slices.ContainsFunc(s.Apps, func(a fcgisup.App) bool { return a.Name == words[2] }) {
		return false
	}
	_, config, named := strings.Cut(command, " --config ")
	return named == (s.Config != "") && (!named || config == term.ShellWord(s.Config) || strings.HasPrefix(config, term.ShellWord(s.Config)+" "))
}
