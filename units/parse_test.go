package units

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	systemd "github.com/coreos/go-systemd/v22/unit"

	"github.com/fcgisup/fcgisup"
)

// parsed are the directives of a rendered file: section and key to values, in order.
type parsed map[string][]string

// parse reads a file back. A line beyond what go-systemd takes, though systemd does, gives nil.
func parse(t *testing.T, f fcgisup.File) parsed {
	t.Helper()
	options, err := systemd.DeserializeOptions(bytes.NewReader(f.Data))
	if errors.Is(err, systemd.ErrLineTooLong) {
		return nil
	}
	if err != nil {
		t.Fatalf("%s does not parse: %v\n%s", f.Path, err, f.Data)
	}
	p := parsed{}
	for _, o := range options {
		key := o.Section + "." + o.Name
		p[key] = append(p[key], o.Value)
	}
	return p
}

func (p parsed) one(t *testing.T, key string) string {
	t.Helper()
	if len(p[key]) != 1 {
		t.Fatalf("%s has values %q, want one", key, p[key])
	}
	return p[key][0]
}

// expand does what systemd does with "%": "%%" is "%" and "%i" the instance, where one is allowed.
func expand(t *testing.T, s, instance string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '%':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], "%%"):
			b.WriteByte('%')
			i++
		case strings.HasPrefix(s[i:], "%i") && instance != "":
			b.WriteString(instance)
			i++
		default:
			t.Fatalf("%q holds a specifier", s)
		}
	}
	return b.String()
}

func unescape(t *testing.T, s string) string {
	t.Helper()
	return expand(t, s, "")
}

// words splits a line as systemd's extract_first_word does with quotes and C escapes.
func words(t *testing.T, line string) []string {
	t.Helper()
	var all []string
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		var word []byte
		quote := byte(0)
		for ; i < len(line); i++ {
			c := line[i]
			switch {
			case quote == 0 && (c == ' ' || c == '\t'):
			case c == quote:
				quote = 0
				continue
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
				continue
			case c == '\\':
				i++
				if line[i] == 'x' {
					var b byte
					if _, err := fmt.Sscanf(line[i+1:i+3], "%02x", &b); err != nil {
						t.Fatalf("%q: %v", line, err)
					}
					word = append(word, b)
					i += 2
					continue
				}
				if !strings.ContainsRune(`\"`, rune(line[i])) {
					t.Fatalf("%q: unknown escape", line)
				}
				word = append(word, line[i])
				continue
			default:
				word = append(word, c)
				continue
			}
			break
		}
		if quote != 0 {
			t.Fatalf("%q: open quote", line)
		}
		all = append(all, string(word))
	}
	return all
}

// argv is what systemd would execute for an ExecStart= line, instance 7.
func argv(t *testing.T, line string) []string {
	t.Helper()
	line, variablesOff := strings.CutPrefix(line, ":")
	all := words(t, line)
	for i, word := range all {
		word = expand(t, word, "7")
		if !variablesOff {
			if strings.Contains(strings.ReplaceAll(word, "$$", ""), "$") {
				t.Fatalf("%q holds a variable", line)
			}
			word = strings.ReplaceAll(word, "$$", "$")
		}
		all[i] = word
	}
	return all
}
