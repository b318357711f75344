package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata")

// example has everything that a report can have.
func example() Report {
	machine := Machine{CPU: "A | B", Cores: 2, Memory: "24 GiB", Kernel: "6.1.0", System: "Debian 12.11", Box: true, Versions: map[string]string{"nginx": "1.22.1", "Go": "1.26"}}
	run := Run{Machine: machine, Began: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC), Took: 61 * time.Second, LoadBefore: 2.4, LoadAfter: 1.26}
	cut := run
	cut.Cut = true
	return Report{Tables: []Table{
		{
			Key: "steady", Number: 1, Title: "Steady state", About: "How it was.\n", Profile: "short", Seed: 7, Run: run, Setting: "rounds: 3\n",
			Columns: []string{"requests/s", "ratio"},
			Rows: []Row{
				{Group: "C", Name: "fcgisup", Cells: []Cell{Sampled([]float64{28000, 29000, 27000}, ""), Word("1")}},
				{Group: "C", Name: "multi|watch", Cells: []Cell{Number(12345.6, ""), Sampled([]float64{0.98, 1.02}, "")}},
				{Group: "C", Name: "PHP-FPM", Cells: []Cell{Because("runs PHP only"), Because("runs PHP only")}},
				{Group: "PHP", Name: "PHP-FPM", Cells: []Cell{Number(0.0123, "s"), Because("nothing was answered")}},
				{Group: "PHP", Name: "<other>", Cells: []Cell{{Text: "no", Reason: "runs PHP only"}, Word("a|b")}},
			},
			Notes: []string{"A note."},
			Plots: []Plot{{Name: "steady", Title: "Ratio <of> rates", X: Axis{Label: "above 1", Mark: 1}, Bars: []Bar{
				{Group: "4 workers", Name: "fcgisup", Value: 1, Q1: 1, Q3: 1, Ours: true}, {Group: "4 workers", Name: "multiwatch", Value: 1.02, Q1: 0.97, Q3: 1.08}, {Group: "16 workers", Name: "multiwatch", Value: 0.9, Q1: 0.8, Q3: 0.95},
			}}},
		},
		{
			Key: "mixed", Number: 2, Title: "Mixed load", About: "All at once.", Profile: "short", Seed: 7, Run: cut,
			Columns: []string{"p50"}, Rows: []Row{{Name: "one", Cells: []Cell{Number(5, "ms")}}},
			Plots: []Plot{{Name: "mixed", Title: "Latency", X: Axis{Label: "one in", Log: true}, Y: Axis{Label: "ms", Log: true}, Lines: []Line{
				{Name: "round robin", Points: [][2]float64{{2, 5.5}, {10, 480}, {100, 900}}}, {Name: "fcgisup", Points: [][2]float64{{2, 5.4}, {10, 6}, {100, 240}}, Ours: true}, {Name: "nothing"},
			}}},
		},
	}}
}

func TestGolden(t *testing.T) {
	r := example()
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", data)
	golden(t, "report.md", []byte(r.Markdown("bench-")))
	for _, table := range r.Tables {
		for _, plot := range table.Plots {
			golden(t, plot.Name+".svg", plot.SVG())
		}
	}
	again, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if again.Markdown("") != r.Markdown("") {
		t.Error("what was read back is shown otherwise")
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not as expected (-update writes it):\n%s", name, got)
	}
}

// TestSVG: every picture is XML, whatever the values, and nothing in it is NaN or infinite.
func TestSVG(t *testing.T) {
	plots := []Plot{
		{Title: "nothing"},
		{Title: "zero", Bars: []Bar{{Name: "a"}}},
		{Title: "log of zero", X: Axis{Log: true}, Bars: []Bar{{Name: "a"}, {Name: "b", Value: 5, Q3: 9}}},
		{Title: "one point", Lines: []Line{{Name: "<a>", Points: [][2]float64{{10, 10}}}}, X: Axis{Log: true}, Y: Axis{Log: true}},
		{Title: "zeros", Lines: []Line{{Points: [][2]float64{{0, 0}, {1, 0}}}}, Y: Axis{Log: true}},
		{Title: "big & \"small\"", Lines: []Line{{Points: [][2]float64{{1, 1e9}, {2, 1e-6}}}}},
	}
	for _, p := range plots {
		data := string(p.SVG())
		decoder := xml.NewDecoder(strings.NewReader(data))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v\n%s", p.Title, err, data)
			}
		}
		for _, bad := range []string{"NaN", "Inf"} {
			if strings.Contains(data, bad) {
				t.Errorf("%s: there is a %s in it\n%s", p.Title, bad, data)
			}
		}
	}
}

func TestInsert(t *testing.T) {
	page := "# Prose\n\n" + beginMark + "\nold\n" + endMark + "\nafter\n"
	got, err := Insert([]byte(page), "new\n")
	if want := "# Prose\n\n" + beginMark + "\n\nnew\n\n" + endMark + "\nafter\n"; err != nil || string(got) != want {
		t.Errorf("Insert = %q, %v", got, err)
	}
	again, err := Insert(got, "new\n")
	if err != nil || string(again) != string(got) {
		t.Errorf("a second time: %q, %v", again, err)
	}
	if _, err := Insert([]byte("# Prose\n"), "new"); err == nil {
		t.Error("a page without marks took it")
	}
}

// TestWrite: a later run replaces its tables and leaves the others; nothing else is in the directory.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := example().Write(dir); err != nil {
		t.Fatal(err)
	}
	later := Report{Tables: []Table{{Key: "mixed", Number: 2, Title: "Again", Columns: []string{"p50"}}}}
	if err := later.Write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, JSONName))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse(data)
	if err != nil || len(r.Tables) != 2 || r.Tables[0].Key != "steady" || r.Tables[1].Title != "Again" {
		t.Errorf("tables after the second run: %+v, %v", r.Tables, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), "benchmarks.json benchmarks.md mixed.svg steady.svg"; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	if err := os.WriteFile(filepath.Join(dir, JSONName), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := later.Write(dir); err == nil {
		t.Error("what cannot be read was overwritten")
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0001: "0", 0.0123: "0.012", 0.98: "0.98", 5: "5", 5.44: "5.44", 54.43: "54.4", 543.2: "543", 12345.6: "12,346", 1234567: "1,234,567", -12345: "-12,345", -123: "-123"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %q, want %q", v, got, want)
		}
	}
}
