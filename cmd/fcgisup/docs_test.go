package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/show"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
)

// pages are README.md and docs/*.md by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(file, "../../")] = string(text)
	}
	return all
}

// blocks are the fenced blocks of a language.
func blocks(page, language string) []string {
	var all []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestDocsConfigurations: what a page shows as YAML is a whole configuration, and fcgisup takes it. Kubernetes' objects are
// decoded in testdata/engines.
func TestDocsConfigurations(t *testing.T) {
	found := 0
	for name, page := range pages(t) {
		for _, block := range blocks(page, "yaml") {
			found++
			if strings.HasPrefix(block, "apiVersion: ") {
				continue
			}
			if _, err := fcgisup.Parse(name, []byte(block)); err != nil {
				t.Errorf("%v\n%s", err, block)
			}
		}
	}
	if found < 2 {
		t.Errorf("found %d configurations; README.md has two", found)
	}
}

// TestDocsImports: what a page shows that import prints, it prints.
func TestDocsImports(t *testing.T) {
	tried := 0
	for name, page := range pages(t) {
		for _, block := range blocks(page, "console") {
			line, want, _ := strings.Cut(block, "\n")
			command, ok := strings.CutPrefix(line, "$ fcgisup import -- ")
			if !ok {
				continue
			}
			tried++
			got := fcgisupRun(append([]string{"import", "--"}, strings.Fields(command)...)...)
			if diff := cmp.Diff(want, got.err+got.out); diff != "" {
				t.Errorf("%s shows of %q (-shown +printed):\n%s", name, line, diff)
			}
		}
	}
	if tried == 0 {
		t.Error("docs/migrating.md shows no import")
	}
}

// TestDocsUnits: the units that a page says are generated have names of that form, and the directives are in a
// story's units. migrating.md is about the units of others.
func TestDocsUnits(t *testing.T) {
	known := map[string]bool{}
	eachCase(t, func(t *testing.T, _ string) {
		for _, file := range tree(t, "systemd") {
			for _, m := range regexp.MustCompile(`(?m)^([A-Z][A-Za-z]+)=`).FindAllStringSubmatch(file, -1) {
				known[m[1]] = true
			}
		}
	})
	unit := regexp.MustCompile(`^[A-Za-z0-9-]+-fastcgi((@([0-9N*i%{}.]*))?\.(socket|service|container)|\.(conf|caddy|cfg)|\.target|-fleet\.target|@\*)?(\.d/.*)?$`)
	for name, page := range pages(t) {
		for _, code := range codeOf(page) {
			for _, m := range regexp.MustCompile(`[A-Za-z0-9-]+-fastcgi[@.-][^ \n'"…,;)]*`).FindAllString(code, -1) {
				if !unit.MatchString(strings.TrimRight(m, ".:@")) {
					t.Errorf("%s names a unit %q", name, m)
				}
			}
		}
		if name == "docs/migrating.md" {
			continue
		}
		for _, m := range regexp.MustCompile("`([A-Z][a-z][A-Za-z]+)=[^`]*`").FindAllStringSubmatch(page, -1) {
			if !known[m[1]] {
				t.Errorf("%s names %s=, which no generated unit has", name, m[1])
			}
		}
	}
}

var (
	shownCommand = regexp.MustCompile(`\bfcgisup( [a-z][a-z-]*)( [^` + "`" + `\n|#&;>]*)?`)
	shownFlag    = regexp.MustCompile(`(?:^| )--([a-z][a-z-]*)`)
)

// TestDocsCommands: the commands and flags that code on a page shows exist, and docs/commands.md shows every command.
func TestDocsCommands(t *testing.T) {
	root := testRoot()
	root.InitDefaultCompletionCmd("x")
	shown := map[string]bool{}
	for name, page := range pages(t) {
		for _, code := range codeOf(page) {
			for _, m := range shownCommand.FindAllStringSubmatch(code, -1) {
				cmd, _, err := root.Find(strings.Fields(m[1]))
				if err != nil || cmd == root {
					t.Errorf("%s shows %q: there is no such command", name, m[0])
					continue
				}
				shown[cmd.Name()] = shown[cmd.Name()] || name == "docs/commands.md"
				own, _, _ := strings.Cut(m[2], " -- ")
				for _, flag := range shownFlag.FindAllStringSubmatch(own, -1) {
					if cmd.Flag(flag[1]) == nil && !subHasFlag(cmd, flag[1]) {
						t.Errorf("%s shows %q: %s has no --%s", name, m[0], cmd.Name(), flag[1])
					}
				}
			}
		}
	}
	for _, cmd := range root.Commands() {
		if !cmd.Hidden && !shown[cmd.Name()] {
			t.Errorf("docs/commands.md does not show fcgisup %s", cmd.Name())
		}
	}
}

func subHasFlag(cmd *cobra.Command, flag string) bool {
	return slices.ContainsFunc(cmd.Commands(), func(sub *cobra.Command) bool { return sub.Flag(flag) != nil })
}

// codeOf is what a page shows as code: fenced, indented or between back quotes.
func codeOf(page string) []string {
	var code []string
	for _, pattern := range []string{"(?ms)^```[a-z]*\n(.*?)^```$", "(?m)^    (.*)$", "`([^`\n]+)`"} {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(page, -1) {
			code = append(code, m[1])
		}
	}
	return code
}

// TestDocsMetrics: the metrics that a page names are collected, and docs/metrics.md has all of them.
func TestDocsMetrics(t *testing.T) {
	ch := make(chan *prometheus.Desc, 100)
	monitor.New(monitor.Options{}).Collector().Describe(ch) // the supervisor's, and its own
	(&alert.Alerter{}).Describe(ch)
	close(ch)
	known := map[string]bool{"fcgisup_build_info": true}
	for d := range ch {
		known[regexp.MustCompile(`fcgisup_[a-z_]+`).FindString(d.String())] = true
	}
	all := pages(t)
	for metric := range known {
		if !strings.Contains(all["docs/metrics.md"], "`"+metric+"`") {
			t.Errorf("docs/metrics.md does not have %s", metric)
		}
	}
	for name, page := range all {
		for _, metric := range regexp.MustCompile(`\bfcgisup_[a-z_]+`).FindAllString(page, -1) {
			if metric = strings.TrimSuffix(metric, "_bucket"); !known[metric] {
				t.Errorf("%s names %s; there are %q", name, metric, slices.Sorted(maps.Keys(known)))
			}
		}
	}
}

// TestDocsLinks: what a page links to in this repository is there, headings included, and docs/README.md lists every page.
func TestDocsLinks(t *testing.T) {
	all := pages(t)
	for name, page := range all {
		for _, m := range regexp.MustCompile(`\]\(([^):#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(page, -1) {
			target := filepath.Join(filepath.Dir(name), m[1])
			if m[1] == "" {
				target = name
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
			if m[2] != "" && !slices.Contains(headings(all[target]), m[2]) {
				t.Errorf("%s links to %s#%s; the headings are %q", name, target, m[2], headings(all[target]))
			}
		}
	}
	for name := range all {
		base, isDoc := strings.CutPrefix(name, "docs/")
		if isDoc && base != "README.md" && !strings.Contains(all["docs/README.md"], "]("+base+")") {
			t.Errorf("docs/README.md does not link to %s", base)
		}
	}
}

// headings are a page's, as the anchors that are made of them.
func headings(page string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		text := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(text, " ", "-"))
	}
	return all
}

// TestPictures: the pictures of the demo in README.md have today's table, and differ in their colours alone; make picture draws them.
func TestPictures(t *testing.T) {
	var header strings.Builder
	if err := show.Table(&header, nil, time.Now(), term.Screen{}); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(header.String()), " ")
	var texts []string
	for _, theme := range []string{"light", "dark"} {
		svg, err := os.ReadFile("../../docs/demo-" + theme + ".svg")
		if err != nil {
			t.Fatal(err)
		}
		text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(svg), "")
		if text = strings.Join(strings.Fields(text), " "); !strings.Contains(text, words) {
			t.Errorf("docs/demo-%s.svg does not show %q", theme, words)
		}
		texts = append(texts, text)
	}
	if texts[0] != texts[1] {
		t.Error("docs/demo-light.svg and docs/demo-dark.svg show different texts")
	}
}

// ranBy is what runs the commands that a page shows in blocks, or why none does.
var ranBy = map[string]string{
	"README.md":               "cmd/e2e TestReadmeSteps; make install: TestPackage, whose package it makes",
	"docs/configuration.md":   "TestDocsValidate",
	"docs/containers.md":      "cmd/e2e, the health check of the image",
	"docs/migrating.md":       "TestDocsImports; the list of arguments names files of other hosts, and TestDocsCommands knows its flags",
	"docs/programs.md":        "make programs: testdata/install-programs installs these packages",
	"docs/releasing.md":       "make release-test",
	"docs/request-tracker.md": "make programs: TestRequestTrackerWithExim",
	"docs/start.md":           "make programs: TestRequestTrackerWithExim",
}

// TestDocsSteps: a page with a block of commands is in ranBy, so a new one gets a test that runs it.
func TestDocsSteps(t *testing.T) {
	for name, page := range pages(t) {
		shown := len(blocks(page, "(?:sh|console|bash)")) > 0
		if _, known := ranBy[name]; known != shown {
			t.Errorf("%s has blocks of commands: %v, in ranBy: %v", name, shown, known)
		}
	}
}

// TestDocsValidate: validate prints what docs/configuration.md shows, which cuts a line at an ellipsis.
func TestDocsValidate(t *testing.T) {
	var want string
	for _, block := range blocks(pages(t)["docs/configuration.md"], "console") {
		if line, out, _ := strings.Cut(block, "\n"); line == "$ fcgisup validate" {
			want = out
		}
	}
	if want == "" {
		t.Fatal("docs/configuration.md shows no validate")
	}
	emptyDirectory(t)
	config := "apps:\n  hello:\n    command: /usr/local/bin/hello.fcgi\n    workers: {min: 3, max: 2}\n    instances: 1\n    memory: 1GiB\n"
	if err := os.WriteFile("fcgisup.yaml", []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	got := fcgisupRun("validate")
	lines := strings.Split(got.err, "\n")
	for n, line := range strings.Split(strings.TrimSpace(want), "\n") {
		if shown, _, _ := strings.Cut(line, "…"); n >= len(lines) || !strings.HasPrefix(lines[n], shown) {
			t.Errorf("docs/configuration.md shows %q; validate prints\n%s", line, got.err)
		}
	}
}
