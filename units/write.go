package units

import (
	"slices"
	"strings"
	"unicode"
)

// unit is a unit file: sections in order.
type unit []section

// section is directives in order. A unit is built of these and not of a
// template, so that nothing can be written past an escape.
type section struct {
	name       string
	directives []directive
	why        string
}

type directive struct{ why, key, value string }

// because gives the reason for the directive that follows, one line each.
func (s *section) because(why ...string) { s.why = strings.Join(why, "\n") }

// set adds a directive; the value is systemd syntax already.
func (s *section) set(key, value string) {
	s.directives = append(s.directives, directive{s.why, key, value})
	s.why = ""
}

// adding are the directives of ours that systemd takes as lists: a value of the
// administrator's must not silently take away what protects.
func adding(key string) bool {
	switch key {
	case "SystemCallFilter", "SystemCallArchitectures", "RestrictAddressFamilies", "CapabilityBoundingSet", "ReadWritePaths", "SupplementaryGroups":
		return true
	default:
		return strings.HasPrefix(key, "Exec")
	}
}

// override lets the administrator's directives replace ours of the same name,
// where ours stood; the others follow under the key that holds them. Commands and lists
// follow ours. A key without values removes ours.
func (s *section) override(extra map[string][]string, from string) {
	keys := make([]string, 0, len(extra))
	for key := range extra {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	s.because("From " + from + " in the configuration.")
	for _, key := range keys {
		same := func(d directive) bool { return d.key == key }
		at := slices.IndexFunc(s.directives, same)
		if at < 0 || strings.HasPrefix(key, "Exec") {
			for _, value := range extra[key] {
				s.set(key, optional(key, value))
			}
			continue
		}
		how := "instead of the default"
		if adding(key) && len(extra[key]) > 0 {
			how = "added to the default"
			for at < len(s.directives) && same(s.directives[at]) {
				at++
			}
		} else {
			s.directives = slices.DeleteFunc(s.directives, same)
		}
		for i, value := range extra[key] {
			d := directive{"", key, optional(key, value)}
			if i == 0 {
				d.why = "From " + from + " in the configuration, " + how + "."
			}
			s.directives = slices.Insert(s.directives, at+i, d)
		}
	}
	s.why = ""
}

// optional marks paths that need not be there: for one that is missing systemd would fail the
// start (226/NAMESPACE) again and again, and requests would wait for ever. Values that it
// would have to take apart are left alone.
func optional(key, value string) string {
	switch key {
	case "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "BindPaths", "BindReadOnlyPaths":
	default:
		return value
	}
	if strings.ContainsAny(value, `"'\`) {
		return value
	}
	words := strings.Fields(value)
	for i, word := range words {
		if strings.HasPrefix(word, "/") || strings.HasPrefix(word, "+") || strings.HasPrefix(word, "%") {
			words[i] = "-" + word
		}
	}
	return strings.Join(words, " ")
}

func (u unit) bytes(generator string) []byte {
	var b strings.Builder
	comment(&b, strings.TrimPrefix(Header, "# ")+generator)
	comment(&b, "Do not edit: change the configuration and generate it again. Your own directives go into a drop-in.")
	for _, s := range u {
		b.WriteString("\n[" + s.name + "]\n")
		for _, d := range s.directives {
			if d.why != "" {
				for line := range strings.SplitSeq(d.why, "\n") {
					comment(&b, line)
				}
			}
			b.WriteString(d.key + "=" + d.value)
			// A backslash would join the next line to this one; the white space after it systemd drops.
			if strings.HasSuffix(d.value, `\`) {
				b.WriteByte(' ')
			}
			b.WriteByte('\n')
		}
	}
	return []byte(b.String())
}

// comment writes one line whatever the text holds.
func comment(b *strings.Builder, text string) {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	b.WriteString("# " + text)
	if strings.HasSuffix(text, `\`) {
		b.WriteByte(' ')
	}
	b.WriteByte('\n')
}
