package worker

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/fcgisup/fcgisup"
)

func followed(r io.Reader) []string {
	var lines []string
	follow(r, func(text []byte) { lines = append(lines, fcgisup.Printable(string(text))) })
	return lines
}

func TestFollow(t *testing.T) {
	long := strings.Repeat("x", lineLimit)
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"lines", "a\nb\n", []string{"a", "b"}},
		{"no end", "a\nb", []string{"a", "b"}},
		{"empty ones", "\n\na\n\r\n\n", []string{"a"}},
		{"carriage returns", "a\r\nb\r\n", []string{"a", "b"}},
		{"too long", long + "yz\na\n", []string{long, "yz", "a"}},
		{"just fits", long[1:] + "\na\n", []string{long[1:], "a"}},
		{"not UTF-8", "a\xffb\n", []string{`a\xffb`}},
	} {
		for name, r := range map[string]io.Reader{
			"whole":    strings.NewReader(test.text),
			"bytewise": iotest.OneByteReader(strings.NewReader(test.text)),
			"broken":   io.MultiReader(strings.NewReader(test.text), iotest.ErrReader(errors.New("gone"))),
		} {
			if got := followed(r); !slices.Equal(got, test.want) {
				t.Errorf("%s, %s: %.60q, want %.60q", test.name, name, got, test.want)
			}
		}
	}
}

func FuzzFollow(f *testing.F) {
	f.Add("a\nb\xff\r\n\n" + strings.Repeat("z", 20))
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range followed(strings.NewReader(text)) {
			if line == "" || !utf8.ValidString(line) || strings.Contains(line, "\n") {
				t.Errorf("%q", line)
			}
		}
	})
}

func TestTailKeepsTheLastLines(t *testing.T) {
	var kept tail
	for n := range 3 * tailLines {
		kept.add([]byte(fmt.Sprint(n)))
	}
	got := kept.Lines()
	if len(got) != tailLines || got[0] != fmt.Sprint(2*tailLines) || got[tailLines-1] != fmt.Sprint(3*tailLines-1) {
		t.Errorf("%q", got)
	}
	got[0] = "changed"
	if kept.Lines()[0] == "changed" {
		t.Error("the lines are not the caller's own")
	}
}
