package main

import "testing"

// TestMayBe: a restart asks no socket of another app.
func TestMayBe(t *testing.T) {
	for _, c := range []struct {
		which selection
		dir   string
		want  bool
	}{
		{selection{"rt", 0}, "rt", true},
		{selection{"rt", 0}, "rt-1", true},
		{selection{"rt", 2}, "rt-2", true},
		{selection{"rt", 2}, "rt-1", false},
		{selection{"rt", 2}, "rt", true},
		{selection{"rt", 0}, "rt-x", false},
		{selection{"rt", 0}, "rt-0", false},
		{selection{"rt", 0}, "rt2-1", false},
		{selection{"rt", 0}, "evil-1", false},
	} {
		if got := c.which.mayBe(c.dir); got != c.want {
			t.Errorf("%s in %s: %t", c.which, c.dir, got)
		}
	}
}
