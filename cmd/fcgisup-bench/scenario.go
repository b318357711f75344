package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// scenario is a file of testdata/bench: a table, and its parameters for each profile.
type scenario struct {
	Table  string    `yaml:"table"`
	Number int       `yaml:"number"`
	Title  string    `yaml:"title"`
	About  string    `yaml:"about"`
	Short  yaml.Node `yaml:"short"`
	Full   yaml.Node `yaml:"full"`
}

// measurement is a table's parameters; it fills in columns, rows, notes and plots. When ctx ends it returns what it has.
type measurement interface {
	measure(ctx context.Context, b *bench, t *report.Table) error
}

// measurements makes the table that a scenario names.
func measurements(table string) (measurement, error) {
	kinds := map[string]measurement{
		"steady": &steady{}, "mixed": &mixed{}, "cold": &cold{}, "crash": &crash{}, "crashloop": &crashLoop{}, "change": &change{},
		"hang": &hang{}, "overload": &overload{}, "footprint": &footprint{}, "commands": &commands{}, "matrix": &matrix{},
	}
	m, ok := kinds[table]
	if !ok {
		return nil, fmt.Errorf("no table is called %q", table)
	}
	return m, nil
}

// parseScenario is strict: a parameter that nothing reads would be a lie in the output.
func parseScenario(name string, data []byte) (*scenario, error) {
	var s scenario
	if err := strict(data, &s); err != nil {
		return nil, fmt.Errorf("cannot read the scenario %s: %w", name, err)
	}
	for _, profile := range []string{"short", "full"} {
		if _, _, err := s.prepare(profile); err != nil {
			return nil, fmt.Errorf("cannot read the scenario %s: %w", name, err)
		}
	}
	return &s, nil
}

func strict(data []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// prepare gives the measurement with a profile's parameters, and those as YAML.
func (s *scenario) prepare(profile string) (measurement, string, error) {
	node := s.Short
	if profile == "full" {
		node = s.Full
	}
	m, err := measurements(s.Table)
	if err != nil {
		return nil, "", err
	}
	text, err := yaml.Marshal(plain(&node))
	if err != nil {
		return nil, "", err
	}
	if err := strict(text, m); err != nil {
		return nil, "", fmt.Errorf("%s: %w", profile, err)
	}
	return m, string(text), nil
}

// plain is a node without anchors and aliases: what stands elsewhere in the file is not there any more.
func plain(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return plain(node.Alias)
	}
	copied := *node
	copied.Anchor, copied.Content = "", nil
	for _, child := range node.Content {
		copied.Content = append(copied.Content, plain(child))
	}
	return &copied
}

// loadScenarios reads a directory, or single files, in the order of tables; with names only those.
func loadScenarios(dir fs.FS, only []string) ([]*scenario, error) {
	files, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all []*scenario
	for _, file := range files {
		data, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, err
		}
		s, err := parseScenario(file, data)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	for _, name := range only {
		if !slices.ContainsFunc(all, func(s *scenario) bool { return s.is(name) }) {
			return nil, fmt.Errorf("no scenario is for a table %q", name)
		}
	}
	all = slices.DeleteFunc(all, func(s *scenario) bool {
		return len(only) > 0 && !slices.ContainsFunc(only, s.is)
	})
	slices.SortStableFunc(all, func(a, b *scenario) int { return a.Number - b.Number })
	return all, nil
}

func (s *scenario) is(name string) bool { return name == s.Table || name == fmt.Sprint(s.Number) }

// run measures the table. What failed is a note beside what did not.
func (s *scenario) run(ctx context.Context, b *bench, profile string) (report.Table, error) {
	m, setting, err := s.prepare(profile)
	if err != nil {
		return report.Table{}, err
	}
	t := report.Table{Key: s.Table, Number: s.Number, Title: s.Title, About: s.About, Profile: profile, Seed: b.seed, Setting: setting}
	t.Run = report.Run{Machine: b.machine, Began: time.Now(), LoadBefore: loadAverage()}
	err = m.measure(ctx, b, &t)
	t.Run.Took, t.Run.LoadAfter, t.Run.Cut = time.Since(t.Run.Began), loadAverage(), ctx.Err() != nil
	if err != nil && !t.Run.Cut {
		t.Notes = append(t.Notes, "**It ended early:** "+strings.ReplaceAll(err.Error(), "\n", " "))
	}
	for i := range t.Rows { // a cut table may lack cells
		for len(t.Rows[i].Cells) < len(t.Columns) {
			t.Rows[i].Cells = append(t.Rows[i].Cells, report.Because("not measured: interrupted"))
		}
	}
	return t, err
}

// scenarioFiles is the directory's files for another process to read.
func scenarioFiles(dir string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("cannot find scenarios: no *.yaml in %s", dir)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files[filepath.Base(path)] = data
	}
	return files, nil
}
