package deploy

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestRecognize: files of gen that were not edited are ours without a record, whatever number they are for.
func TestRecognize(t *testing.T) {
	tcp := func(n int) string {
		return strings.Replace(applyConfig(n), "/run/web%i.sock", "127.0.0.1:9300", 1)
	}
	of := func(before, after string) (*stage, func() []string) {
		s := newStage(t, before, after)
		s.is.record = nil
		return s, func() []string {
			recognize(appOf(t, cmp.Or(after, before)), s.wanted.Changes)
			p := planApp(s.wanted, s.is)
			return p.edited()
		}
	}
	for name, pair := range map[string][2]string{
		"up": {applyConfig(2), applyConfig(40)}, "down": {applyConfig(40), applyConfig(2)}, "gone": {applyConfig(3), ""},
		"with drop-ins, down": {tcp(5), tcp(2)}, "eager": {applyConfig(2, "activation: eager"), applyConfig(3, "activation: eager")},
	} {
		if _, edited := of(pair[0], pair[1]); edited() != nil {
			t.Errorf("%s: nothing was edited, yet %q", name, edited())
		}
	}
	for name, edit := range map[string]func(*Change){
		"a number": func(c *Change) { c.Old = bytes.Replace(c.Old, []byte("@2.socket"), []byte("@7.socket"), 1) },
		"a line":   func(c *Change) { c.Old = append(slices.Clone(c.Old), "# mine\n"...) },
		"a huge number": func(c *Change) {
			c.Old = bytes.Replace(c.Old, []byte("@2.socket"), []byte("@99999.socket"), 1)
		},
		"no header": func(c *Change) { _, c.Old, _ = bytes.Cut(c.Old, []byte("\n")) },
	} {
		s, edited := of(applyConfig(2), applyConfig(5))
		i := slices.IndexFunc(s.wanted.Changes, func(c Change) bool { return c.Name == "systemd/web-fastcgi.target" })
		edit(&s.wanted.Changes[i])
		if all := edited(); len(all) != 1 || !strings.HasPrefix(all[0], s.wanted.Changes[i].Place+" ") {
			t.Errorf("%s: edited are %q", name, all)
		}
	}
	// What gen was told beside the number is in the header.
	s, edited := of(applyConfig(2), applyConfig(5))
	for i := range s.wanted.Changes {
		c := &s.wanted.Changes[i]
		c.Old = bytes.Replace(c.Old, []byte("fcgisup gen web"), []byte("fcgisup gen web --instances 2 --config /srv/a.yaml"), 1)
		c.Old = bytes.ReplaceAll(c.Old, []byte("run --app"), []byte("run --config /srv/a.yaml --app"))
		if c.Verb == "unchanged" {
			c.Verb = "changed"
		}
	}
	if all := edited(); all != nil {
		t.Errorf("made with --config, yet %q", all)
	}
}

// TestJudge: errors stop apply before it changes anything, unless it is forced; notes are left out.
func TestJudge(t *testing.T) {
	found := []finding.Finding{
		{ID: "a", Severity: finding.Error, Subject: "app web", Message: "It is \x1b[31mwrong.", Fix: "fix it"},
		{ID: "b", Severity: finding.Warning, Subject: "app web", Message: "It is slow.", Fix: ""},
		{ID: "c", Severity: finding.Note, Subject: "app web", Message: "It is so.", Fix: ""},
	}
	for _, test := range []struct {
		force, dryRun bool
		found         []finding.Finding
		stops         bool
	}{
		{false, false, found, true}, {true, false, found, false}, {false, true, found, false}, {false, false, found[1:], false}, {false, false, nil, false},
	} {
		var out strings.Builder
		s := &transaction{Applier: &Applier{Env: &term.Env{Err: &out}, What: "apply", force: test.force, dryRun: test.dryRun}}
		err := s.judge(test.found)
		if stops := err != nil; stops != test.stops {
			t.Errorf("%+v: %v", test, err)
		}
		if test.stops && err.Error() != "cannot apply: 1 error found, nothing has been changed: app web" {
			t.Error(err)
		}
		if got := out.String(); len(test.found) == 3 && (!strings.HasPrefix(got, "error: app web: It is ") || strings.Contains(got, "\x1b") || !strings.HasSuffix(got, "  fix: fix it\nwarning: app web: It is slow.\n")) {
			t.Errorf("printed %q", got)
		}
	}
}
