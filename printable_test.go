package fcgisup

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"worker 3: ready":       "worker 3: ready",
		`C:\path "quoted" <b>&`: `C:\path "quoted" <b>&`,
		"Grüße, 世界, שלום, ไทย, e\u0301, 👍": "Grüße, 世界, שלום, ไทย, e\u0301, 👍",
		"a\u00a0b\u3000c":                       "a\u00a0b\u3000c",
		"\x1b]0;own\x07":                        `\x1b]0;own\x07`,
		"a\x00b\x7f":                            `a\x00b\x7f`,
		"one\ntwo\r\n\tthree\v":                 `one\ntwo\r\n\tthree\x0b`,
		"\u0085\u009b31m":                       `\u0085\u009b31m`,
		"\x9b31m\xff\xfe":                       `\x9b31m\xff\xfe`,
		"\xed\xa0\x80":                          `\xed\xa0\x80`,
		"\xf0\x9f":                              `\xf0\x9f`,
		"user\u202egnp.exe":                     `user\u202egnp.exe`,
		"\u202a\u202b\u202c\u202d":              `\u202a\u202b\u202c\u202d`,
		"\u2066\u2067\u2068\u2069":              `\u2066\u2067\u2068\u2069`,
		"\u200e\u200f\u061c":                    `\u200e\u200f\u061c`,
		"\u2028\u2029":                          `\u2028\u2029`,
		"ro\u200bot\u200c\u200d\u2060\ufeff":    `ro\u200bot\u200c\u200d\u2060\ufeff`,
		"\u00ad\u180e\u2061\ufff9":              `\u00ad\u180e\u2061\ufff9`,
		"\U000e0041\U000e0100\ufe0f\u034f":      `\U000e0041\U000e0100\ufe0f\u034f`,
		"\u3164\u115f\uffa0\u2800":              `\u3164\u115f\uffa0\u2800`,
		"\ue000\U000f0000\U0010ffff\u0378":      `\ue000\U000f0000\U0010ffff\u0378`,
		"a" + strings.Repeat("\u0301", 9) + "b": "a" + strings.Repeat("\u0301", 8) + `\u0301b`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPrintableAtMost(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abc…"},
		{"äöüäöü", 12, "äöüäöü"},
		{"äöüäöü", 11, "äöüä…"},
		{"a\x1b[0m", 8, `a\x1b[0m`},
		{"a\x1b[0m", 7, `a…`},
		{"a\x1b[0m", 4, `a…`},
		{"\x1b\x1b\x1b\x1b", 12, `\x1b\x1b…`},
		{"abcdef", 3, "…"},
		{"abcdef", 2, ""},
		{"abcdef", 0, ""},
		{"", 0, ""},
		{"abcdef", -1, ""},
		{strings.Repeat("x\x01", 1<<20), 5, `x…`},
	} {
		if got := PrintableAtMost(c.in, c.most); got != c.want {
			t.Errorf("%.20q in %d: %q, want %q", c.in, c.most, got, c.want)
		}
	}
	long := strings.Repeat("\x01", 10<<20)
	if n := testing.AllocsPerRun(1, func() { PrintableAtMost(long, 100) }); n > 100 {
		t.Errorf("%.0f allocations for 100 bytes of 10 MiB", n)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;own\x07\u202e\xff\u0301", 10)
	f.Add("plain", 5)
	f.Fuzz(func(t *testing.T, in string, most int) {
		got := Printable(in)
		safe(t, in, got)
		if again := Printable(got); again != got {
			t.Errorf("%q becomes %q and then %q", in, got, again)
		}
		cut := PrintableAtMost(in, most)
		safe(t, in, cut)
		if len(cut) > max(most, 0) {
			t.Errorf("%q: %d bytes of at most %d", in, len(cut), most)
		}
		if len(got) <= most && cut != got {
			t.Errorf("%q: cut to %q though %q fits in %d", in, cut, got, most)
		}
		if cut != got && !strings.HasPrefix(got, strings.TrimSuffix(cut, cutMark)) {
			t.Errorf("%q: %q does not begin %q", in, cut, got)
		}
	})
}

// safe asks by other means than Printable.
func safe(t *testing.T, in, got string) {
	t.Helper()
	if !utf8.ValidString(got) {
		t.Errorf("%q: %q is not UTF-8", in, got)
	}
	for _, r := range got {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || unicode.Is(unicode.White_Space, r) && !unicode.Is(unicode.Zs, r) {
			t.Errorf("%q: %q holds %U", in, got, r)
		}
	}
}
