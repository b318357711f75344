package worker

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// The wanted values are those of systemd 252, but for I: a backslash at the end
// of a comment continues it until 253 and no longer since 254.
func TestParseEnvironment(t *testing.T) {
	tests := []struct{ text, want string }{
		{"A=plain", "plain"},
		{"A=a b  \t", "a b"},
		{"  A =  spaced", "spaced"},
		{"A=", ""},
		{"A", "none"},
		{"A\n=x", "none"},
		{"#A=1\n;A=2", "none"},
		{"#comment\\\nA=1", "1"},
		{"A=x#y ;z", "x#y ;z"},
		{`A="x y"`, "x y"},
		{`A='x "y" \n $z'`, `x "y" \n $z`},
		{`A="x y" z`, "x yz"},
		{`A='s'"d"e`, "sde"},
		{`A=a"b"c`, `a"b"c`},
		{`A="q\n\"\$\\` + "\\`" + `"`, `q\n"$\` + "`"},
		{"A=\"two\nlines\"", "two\nlines"},
		{"A=\"one\\\nline\"", "oneline"},
		{"A='two\nlines'\nB=1", "two\nlines"},
		{`A=a\nb\ c\\`, `anb c\`},
		{"A=one\\\n  two", "one  two"},
		{"A=a\\\n#b", "a#b"},
		{"A=tail\\ ", "tail "},
		{"A=tail\\", "tail"},
		{`A="open`, "open"},
		{"A=1\nA=2", "2"},
		{"A=1\r\nB=2", "1"},
		{"export A=1", "none"},
		{"1A=1", "none"},
		{"A.B=1", "none"},
		{"A=\xff", "none"},
		{"A=\x01", "none"},
		{"A=\x00", "none"},
		{"A=ü\tx", "ü\tx"},
	}
	for _, test := range tests {
		got, ok := parseEnvironment([]byte(test.text))["A"]
		if !ok {
			got = "none"
		}
		if got != test.want {
			t.Errorf("%q: A is %q, want %q", test.text, got, test.want)
		}
	}
}

func FuzzParseEnvironment(f *testing.F) {
	f.Add([]byte("A=\"x\\\ny\" 'z'\\\n\n#c\nB=1\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		env := parseEnvironment(data)
		for k, v := range env {
			if !variableName().MatchString(k) || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				t.Errorf("%q=%q", k, v)
			}
		}
		// What is written in single quotes is what was read, where it has none.
		var text strings.Builder
		for k, v := range env {
			if strings.Contains(v, "'") {
				delete(env, k)
				continue
			}
			text.WriteString(k + "='" + v + "'\n")
		}
		if again := parseEnvironment([]byte(text.String())); !maps.Equal(again, env) {
			t.Errorf("%v became %v", env, again)
		}
	})
}

func TestEnvironmentFileIsOptionalWithADash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	if _, _, err := environmentFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing: %v", err)
	}
	if env, _, err := environmentFile("-" + path); err != nil || len(env) > 0 {
		t.Errorf("missing with a dash: %v, %v", env, err)
	}
}
