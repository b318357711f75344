package fcgisup

import (
	"strings"
	"testing"
)

func TestScale(t *testing.T) {
	const text = "apps: {a: {command: /x, listen: '127.0.0.1:9100', health: {address: /run/a-status.sock}}, b: {command: /x, listen: '127.0.0.1:9103'}, c: {command: /x}}"
	tests := []struct {
		n     int
		names string
		want  string
	}{
		{3, "b c", ""},
		{1, "a b c", ""},
		{0, "a", "0 instances are not between 1 and 10000"},
		{3, "a", "apps.a.health.address: must contain %i: 3 instances cannot share one socket path"},
		{60_000, "b", "60000 instances are not between 1 and 10000"},
	}
	for _, test := range tests {
		cfg, err := Parse("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		names := strings.Fields(test.names)
		err = cfg.Scale(test.n, names)
		if got := message(err); got != test.want {
			t.Errorf("Scale(%d, %q) = %q, want %q", test.n, names, got, test.want)
		}
		for _, name := range names {
			if a, _ := cfg.App(name); err == nil && a.Instances != test.n {
				t.Errorf("%s has %d instances, want %d", name, a.Instances, test.n)
			}
		}
	}
	cfg, err := Parse("x", []byte(strings.Replace(text, ", health: {address: /run/a-status.sock}", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := message(cfg.Scale(4, []string{"a"})), "a@4 and b@1 would both listen on 127.0.0.1:9103"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
