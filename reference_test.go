package fcgisup

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestReferenceDefaults: a file that gives a key its default says nothing new, so the reference's defaults are
// the ones that apply, written as a file may write them.
func TestReferenceDefaults(t *testing.T) {
	parse := func(text string) *Config {
		t.Helper()
		cfg, err := Parse("test", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		cfg.Text = nil
		return cfg
	}
	const minimal = "apps:\n  n:\n    command: /bin/x\n"
	want, tried := parse(minimal), 0
	for _, k := range Reference() {
		if k.Default == "" || strings.Contains(k.Path, "[]") {
			continue
		}
		tried++
		words := strings.Split(strings.ReplaceAll(k.Path, anyName, "n"), ".")
		text, depth := minimal, 0
		if words[0] == "apps" {
			depth = 2 // apps and the app are there already
		}
		for ; depth < len(words); depth++ {
			text += strings.Repeat("  ", depth) + words[depth] + ":"
			if depth < len(words)-1 {
				text += "\n"
			}
		}
		text += fmt.Sprintf(" %s\n", strings.ReplaceAll(k.Default, anyName, "n"))
		if got := parse(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s is not the default\ngot  %+v\nwant %+v", k.Path, k.Default, got, want)
		}
	}
	if tried < 30 {
		t.Errorf("tried %d defaults", tried)
	}
}

func TestShowDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "100ms": 100 * time.Millisecond, "30s": 30 * time.Second, "1m": time.Minute, "1m30s": 90 * time.Second,
		"30m": 30 * time.Minute, "1h": time.Hour, "4h": 4 * time.Hour, "1h30m": 90 * time.Minute, "1h0m5s": time.Hour + 5*time.Second,
	} {
		if got := showDuration(d); got != want {
			t.Errorf("%s is shown as %q", want, got)
		}
	}
}

// TestReferenceIsComplete: every key that an error message offers is listed, with a meaning, and nothing twice.
func TestReferenceIsComplete(t *testing.T) {
	seen, below := map[string]bool{}, map[string][]string{}
	for _, k := range Reference() {
		if seen[k.Path] || k.Doc == "" || k.Kind == "" {
			t.Errorf("%+v: listed before: %t", k, seen[k.Path])
		}
		seen[k.Path] = true
		i := strings.LastIndexByte(k.Path, '.')
		below[k.Path[:max(i, 0)]] = append(below[k.Path[:max(i, 0)]], k.Path[i+1:])
	}
	for _, path := range []string{"", "apps.NAME", "apps.NAME.limits", "apps.NAME.health.expect", "apps.NAME.workers", "monitor", "alerts"} {
		text := "nonsense: 1\n"
		if path != "" {
			words := strings.Split(strings.ReplaceAll(path, anyName, "n"), ".")
			text = strings.Join(words, ": {") + ": {nonsense: 1}" + strings.Repeat("}", len(words)-1) + "\n"
		}
		_, err := Parse("test", []byte(text))
		if want := "takes " + strings.Join(below[path], ", "); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %q", path, err, want)
		}
	}
}
