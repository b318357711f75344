package main

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
)

// TestRecognize: files of gen that nobody has edited are ours without a record, whatever number they are for.
func TestRecognize(t *testing.T) {
	tcp := func(n int) string {
		return strings.Replace(applyConfig(n), "/run/web%i.sock", "127.0.0.1:9300", 1)
	}
	of := func(before, after string) (*stage, func() []string) {
		s := newStage(t, before, after)
		s.is.record = nil
		return s, func() []string {
			recognize(appOf(t, cmp.Or(after, before)), s.wanted.changes)
			p := planApp(s.wanted, s.is)
			return p.edited()
		}
	}
	for name, pair := range map[string][2]string{
		"up": {applyConfig(2), applyConfig(40)}, "down": {applyConfig(40), applyConfig(2)}, "gone": {applyConfig(3), ""},
		"with drop-ins, down": {tcp(5), tcp(2)}, "eager": {applyConfig(2, "activation: eager"), applyConfig(3, "activation: eager")},
	} {
		if _, edited := of(pair[0], pair[1]); edited() != nil {
			t.Errorf("%s: nobody edited anything, yet %q", name, edited())
		}
	}
	for name, edit := range map[string]func(*change){
		"a number": func(c *change) { c.old = bytes.Replace(c.old, []byte("@2.socket"), []byte("@7.socket"), 1) },
		"a line":   func(c *change) { c.old = append(slices.Clone(c.old), "# mine\n"...) },
		"a huge number": func(c *change) {
			c.old = bytes.Replace(c.old, []byte("@2.socket"), []byte("@99999.socket"), 1)
		},
		"no header": func(c *change) { _, c.old, _ = bytes.Cut(c.old, []byte("\n")) },
	} {
		s, edited := of(applyConfig(2), applyConfig(5))
		i := slices.IndexFunc(s.wanted.changes, func(c change) bool { return c.name == "systemd/web-fastcgi.target" })
		edit(&s.wanted.changes[i])
		if all := edited(); len(all) != 1 || !strings.HasPrefix(all[0], s.wanted.changes[i].place+" ") {
			t.Errorf("%s: edited are %q", name, all)
		}
	}
	// What gen was told beside the number is in the header.
	s, edited := of(applyConfig(2), applyConfig(5))
	for i := range s.wanted.changes {
		c := &s.wanted.changes[i]
		c.old = bytes.Replace(c.old, []byte("fcgisup gen web"), []byte("fcgisup gen web --instances 2 --config /srv/a.yaml"), 1)
		c.old = bytes.ReplaceAll(c.old, []byte("run --app"), []byte("run --config /srv/a.yaml --app"))
		if c.verb == "unchanged" {
			c.verb = "changed"
		}
	}
	if all := edited(); all != nil {
		t.Errorf("made with --config, yet %q", all)
	}
}

// TestMentionMissing: a program that is to come is said once, and is no failure.
func TestMentionMissing(t *testing.T) {
	var said strings.Builder
	a := &applier{cli: &cli{stdio: stdio{err: &said}}}
	here, gone := appOf(t, applyConfig(1)), appOf(t, applyConfig(1))
	here.Command, gone.Command = []string{"/bin/sh"}, []string{"/nowhere/web.pl"}
	a.mentionMissing([]fcgisup.App{here})
	a.mentionMissing([]fcgisup.App{gone, here, gone})
	want := "fcgisup: not on this host: /nowhere/web.pl of web, /nowhere/web.pl of web; until it is, its requests fail\n"
	if got := said.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
