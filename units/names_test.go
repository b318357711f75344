package units

import "testing"

func TestParse(t *testing.T) {
	t.Parallel()
	for unit, want := range map[string]struct {
		app  string
		n    int
		kind string
	}{
		Names("rt").Socket(1):                    {"rt", 1, KindSocket},
		Names("a-fastcgi@1.b").Service(12):       {"a-fastcgi@1.b", 12, KindService},
		Names("rt").Target():                     {},
		Names("rt").ServiceTemplate():            {},
		"-fastcgi@1.service":                     {},
		"rt-fastcgi@01.service":                  {},
		"rt-fastcgi@1x.service":                  {},
		"rt-fastcgi@1.timer":                     {},
		"rt-fastcgi@1":                           {},
		"rt@1.service":                           {},
		"rt-fastcgi@99999999999999999999.socket": {},
	} {
		app, n, kind, ok := Parse(unit)
		if app != want.app || n != want.n || kind != want.kind || ok != (want.n > 0) {
			t.Errorf("%s: %q, %d, %q, %t", unit, app, n, kind, ok)
		}
	}
}

func TestHighestIn(t *testing.T) {
	t.Parallel()
	text := "Wants=" + Names("rt").Socket(1) + " " + Names("rt").Socket(11) + " " + Names("rt").Service(3) + " " + Names("rt").Target()
	if n := HighestIn([]byte(text)); n != 11 {
		t.Errorf("%d", n)
	}
}
