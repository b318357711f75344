package control

import "testing"

// TestMayBe: a restart asks no socket of another app.
func TestMayBe(t *testing.T) {
	for _, c := range []struct {
		which Selection
		dir   string
		want  bool
	}{
		{Selection{"rt", 0}, "rt", true},
		{Selection{"rt", 0}, "rt-1", true},
		{Selection{"rt", 2}, "rt-2", true},
		{Selection{"rt", 2}, "rt-1", false},
		{Selection{"rt", 2}, "rt", true},
		{Selection{"rt", 0}, "rt-x", false},
		{Selection{"rt", 0}, "rt-0", false},
		{Selection{"rt", 0}, "rt2-1", false},
		{Selection{"rt", 0}, "evil-1", false},
	} {
		if got := c.which.MayBe(c.dir); got != c.want {
			t.Errorf("%s in %s: %t", c.which, c.dir, got)
		}
	}
}
