package main

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
)

const scenariosDir = "../../testdata/bench"

// TestScenarios: every file is read, for both profiles, and names programs and peers that there are.
func TestScenarios(t *testing.T) {
	all, err := loadScenarios(os.DirFS(scenariosDir), nil)
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[int]bool{}
	for _, s := range all {
		numbers[s.Number] = true
		if s.Title == "" || s.About == "" {
			t.Errorf("%s has no title, or does not say how it is measured", s.Table)
		}
		for _, profile := range []string{"short", "full"} {
			m, setting, err := s.prepare(profile)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range peersOf(m) {
				if peers.Named(name) == nil {
					t.Errorf("%s, %s: no peer is called %q", s.Table, profile, name)
				}
			}
			if strings.ContainsAny(setting, "*&") {
				t.Errorf("%s, %s: the parameters of the output name others that are not there:\n%s", s.Table, profile, setting)
			}
		}
	}
	for n := 1; n <= 9; n++ {
		if !numbers[n] {
			t.Errorf("there is no table %d", n)
		}
	}
}

func peersOf(m measurement) []string {
	switch m := m.(type) {
	case *steady:
		return m.Peers
	case *mixed:
		var names []string
		for _, v := range m.Variants {
			names = append(names, v.Peer)
		}
		return names
	case *cold:
		return m.Peers
	case *crash:
		return m.Peers
	case *crashLoop:
		return m.Peers
	case *change:
		return append(m.Peers, m.PHP...)
	case *hang:
		return append(m.Peers, m.PHP...)
	case *overload:
		return append(m.Peers, m.PHP...)
	case *footprint:
		return append(m.Peers, m.PHP...)
	case *matrix:
		return append(m.Peers, m.PHP...)
	default:
		return nil
	}
}

func TestScenarioRefused(t *testing.T) {
	good := "table: crash\nnumber: 4\ntitle: x\nabout: x\nshort: {peers: [fcgisup], rate: 5}\nfull: {rate: 5}\n"
	if _, err := parseScenario("good", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"a table that is none":          strings.Replace(good, "crash", "nothing", 1),
		"a parameter that nothing uses": strings.Replace(good, "full: {rate: 5}", "full: {rat: 5}", 1),
		"a key that nothing uses":       good + "more: 1\n",
		"no YAML":                       "{",
		"a word for a number":           strings.Replace(good, "rate: 5", "rate: many", 1),
	} {
		if _, err := parseScenario(name, []byte(bad)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := loadScenarios(os.DirFS(scenariosDir), []string{"4", "seven"}); err == nil || !strings.Contains(err.Error(), `"seven"`) {
		t.Errorf("an unknown table: %v", err)
	}
	some, err := loadScenarios(os.DirFS(scenariosDir), []string{"4", "hang"})
	if err != nil || len(some) != 3 {
		t.Errorf("tables 4 and hang are %d scenarios, %v; want crash, crashloop, hang", len(some), err)
	}
}

// FuzzScenario: no file of any kind panics.
func FuzzScenario(f *testing.F) {
	files, err := fs.Glob(os.DirFS(scenariosDir), "*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := fs.ReadFile(os.DirFS(scenariosDir), file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = parseScenario("fuzz", data) })
}
