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

// TestParseSelection: an error says which part of the argument is wrong.
func TestParseSelection(t *testing.T) {
	for arg, want := range map[string]string{
		"rt": "", "rt@3": "",
		"rt@0": "there is no instance rt@0: instances are numbered from 1, as in rt@1",
		"rt@x": `"rt@x" is neither APP nor APP@N: "x" is not a number`,
		"rt@":  `"rt@" is neither APP nor APP@N: "" is not a number`,
	} {
		which, err := ParseSelection(arg)
		if text := ""; err != nil {
			if text = err.Error(); text != want {
				t.Errorf("%s: %s", arg, text)
			}
		} else if want != "" || which.String() != arg {
			t.Errorf("%s: %v", arg, which)
		}
	}
}
