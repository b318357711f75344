package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
	"github.com/fcgisup/fcgisup/cmd/internal/box"
)

// TestMain is also the program inside a box, which is a copy of this one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "inside" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// builtFcgisup is the command, freshly built.
func builtFcgisup(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fcgisup")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "../fcgisup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build fcgisup: %v\n%s", err, out)
	}
	return path
}

func needTools(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if !exists(file) {
			t.Skipf("%s is missing: run testdata/install-deps", file)
		}
	}
}

const smokeScenarios = `table: change
number: 5
title: Change
about: a change
short: &parameters {peers: [fcgisup, spawn-fcgi, Supervisor], program: C, workers: 2, path: "/sleep?ms=5", rate: 50, before: 200ms, during: 500ms}
full: *parameters
`

const smokeSteady = `table: steady
number: 1
title: Steady
about: side by side
short: &parameters {peers: [fcgisup, spawn-fcgi], rounds: 1, slice: 1s, connections: 4, share: 0.2, max_rate: 100, cells: [{program: C, path: /, workers: [2]}]}
full: *parameters
`

// smokeTask has a directory for its sockets whose name is short enough for them.
func smokeTask(t *testing.T) options {
	t.Helper()
	needTools(t, "/usr/sbin/nginx", "/usr/bin/spawn-fcgi", "/usr/bin/wrk", "/usr/bin/cc", "/usr/include/fcgiapp.h")
	dir := t.TempDir()
	for name, text := range map[string]string{"change.yaml": smokeScenarios, "steady.yaml": smokeSteady} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return options{profile: "short", seed: 1, scenarios: dir, apps: "../../testdata/apps", fcgisup: builtFcgisup(t), noBox: true}
}

// leftovers is what a measurement should not have left: processes of ours and directories.
func leftovers(t *testing.T) []string {
	t.Helper()
	var left []string
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // a thread that has ended has none
		for child := range strings.FieldsSeq(string(text)) {
			line, _ := os.ReadFile("/proc/" + child + "/cmdline")
			left = append(left, fmt.Sprintf("process %s %q", child, line))
		}
	}
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), "fcgisup-bench-*"))
	if err != nil {
		t.Fatal(err)
	}
	return append(left, folders...)
}

// TestSmoke measures two small tables without a box, to the end and to an interrupt, and one in a box.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("puts loads on servers and boots systemd; skipped by -short")
	}
	o := smokeTask(t)
	t.Setenv("TMPDIR", t.TempDir())
	t.Run("measured", func(t *testing.T) { smokeMeasured(t, o) })
	t.Run("interrupted", func(t *testing.T) { smokeInterrupted(t, o) })
	t.Run("box", func(t *testing.T) { smokeBox(t, o) })
}

// smokeMeasured: numbers for who could, reasons for who could not, and nothing left.
func smokeMeasured(t *testing.T, o options) {
	o.out = filepath.Join(t.TempDir(), "out")
	var progress strings.Builder
	if err := measureAll(t.Context(), o, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	data, err := os.ReadFile(filepath.Join(o.out, report.JSONName))
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tables) != 2 {
		t.Fatalf("%d tables, want 2", len(r.Tables))
	}
	for _, row := range r.Tables[0].Rows {
		if rate := row.Cells[0]; len(rate.Samples) != 1 || rate.Samples[0] < 10 || rate.Reason != "" {
			t.Errorf("requests per second of %s: %+v", row.Name, rate)
		}
	}
	rows := map[string]report.Row{}
	for _, row := range r.Tables[1].Rows {
		rows[row.Group+", "+row.Name] = row
	}
	if restart := rows["C: restart, fcgisup"]; len(restart.Cells) == 0 || restart.Cells[1].Samples[0] < 10 || restart.Cells[2].Samples[0] != 0 {
		t.Errorf("a restart under load: %+v, want no failed request of some", restart)
	} else if effect := restart.Cells[len(restart.Cells)-1]; len(effect.Samples) != 1 {
		t.Errorf("the effect of a restart: %+v", effect)
	}
	if reason := rows["C: restart, Supervisor"].Cells[0].Reason; !strings.Contains(reason, "systemd") && !strings.Contains(reason, "not installed") {
		t.Errorf("Supervisor without systemd says %q", reason)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("it left behind:\n%s", strings.Join(left, "\n"))
	}
}

// smokeInterrupted: an interrupt ends it soon, what was measured is written, and nothing is left.
func smokeInterrupted(t *testing.T, o options) {
	o.out = filepath.Join(t.TempDir(), "out")
	ctx, cancel := context.WithCancel(t.Context())
	progress := &watcher{word: "C, empty", seen: cancel}
	begin := time.Now()
	if err := measureAll(ctx, o, progress); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("an interrupt is %v", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v to end", took)
	}
	text, err := os.ReadFile(filepath.Join(o.out, report.MarkdownName))
	if err != nil || !strings.Contains(string(text), "interrupted") {
		t.Errorf("what was measured: %v\n%s", err, text)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("it left behind:\n%s", strings.Join(left, "\n"))
	}
}

const smokeCold = `table: cold
number: 3
title: Cold
about: nothing runs
short: &parameters {peers: [systemd units, fcgisup, PHP-FPM ondemand], programs: [C], instances: 2, rounds: 1}
full: *parameters
`

// smokeBox measures under systemd in a box, of which nothing is left: that is an error of its own.
func smokeBox(t *testing.T, o options) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for namespaces and systemd")
	}
	needTools(t, box.Files...)
	o.noBox, o.tables, o.out = false, "cold", filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(filepath.Join(o.scenarios, "cold.yaml"), []byte(smokeCold), 0o644); err != nil {
		t.Fatal(err)
	}
	var progress strings.Builder
	if err := measureAll(t.Context(), o, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	data, err := os.ReadFile(filepath.Join(o.out, report.JSONName))
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Parse(data)
	if err != nil || len(r.Tables) != 1 || len(r.Tables[0].Rows) != 3 {
		t.Fatalf("%v, %+v", err, r)
	}
	for _, row := range r.Tables[0].Rows[:2] {
		for i, cell := range row.Cells {
			if len(cell.Samples) != 1 || cell.Samples[0] <= 0 {
				t.Errorf("%s, %s: %+v", row.Name, r.Tables[0].Columns[i], cell)
			}
		}
	}
	if reason := r.Tables[0].Rows[2].Cells[0].Reason; reason == "" {
		t.Error("PHP-FPM has served a C program")
	}
	if !r.Tables[0].Run.Machine.Box {
		t.Error("the table does not say that it is from a box")
	}
}

// watcher calls back when a line of the progress has a word.
type watcher struct {
	word string
	seen func()
}

func (w *watcher) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.word) {
		w.seen()
	}
	return len(p), nil
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"--help"}, 0},
		{[]string{"--nothing"}, 2},
		{[]string{"word"}, 2},
		{[]string{"render"}, 2},
		{[]string{"render", "/does/not/exist"}, 1},
		{[]string{"--time", "long", "--no-box"}, 1},
		{[]string{"--tables", "12", "--no-box", "--scenarios", scenariosDir, "--fcgisup", "main.go"}, 1},
	} {
		var out, errs strings.Builder
		if code := run(t.Context(), test.args, strings.NewReader(""), &out, &errs); code != test.code {
			t.Errorf("%v: exit code %d, want %d\n%s", test.args, code, test.code, &errs)
		}
	}
}
