package foreign

import (
	"slices"
	"strings"
)

// entry is one setting of an INI file.
type entry struct {
	section string
	// key is as written; sub is what stands in brackets behind it, env[sub].
	key, sub string
	value    string
	// raw is the value with its quotes, less a comment.
	raw string
	at  place
}

// dialect is what two INI files may differ in.
type dialect struct {
	// split cuts a line into key and value.
	split func(line string) (key, value string, ok bool)
	// comment begins a line that says nothing.
	comment string
	// continues: a line that begins with a blank goes on with the value before it.
	continues bool
	// clean takes a comment from a value, bare quotes from what is left; nil: there are none.
	clean, bare func(string) string
}

// sections are the names in brackets and where they stand, in order.
type sections struct {
	names  []string
	places map[string]place
}

// maxName bounds the name of a section.
const maxName = 1024

// readINI reads a file; a line that is neither section nor setting is noted.
func (r *reading) readINI(f Source, d dialect) (sections, []entry) {
	found := sections{places: map[string]place{}}
	var all []entry
	section, number := "", 0
	for text := range strings.Lines(string(f.Data)) {
		number++
		text = strings.TrimRight(text, "\r\n")
		trimmed := strings.TrimSpace(text)
		at := place{f.Name, number}
		switch {
		case trimmed == "" || strings.ContainsRune(d.comment, rune(trimmed[0])):
		case d.continues && (text[0] == ' ' || text[0] == '\t') && len(all) > 0 && all[len(all)-1].section == section:
			last := &all[len(all)-1]
			last.value = strings.TrimSpace(last.value + "\n" + d.clean(trimmed))
		case trimmed[0] == '[':
			name, _, closed := strings.Cut(trimmed[1:], "]")
			if !closed {
				r.note(at, "", "is not a section: the bracket is not closed")
				continue
			}
			section = strings.TrimSpace(name)
			if len(section) > maxName {
				r.note(at, "", "the name of the section is longer than %d bytes: shortened", maxName)
				section = strings.ToValidUTF8(section[:maxName], "")
			}
			if _, again := found.places[section]; !again {
				found.names = append(found.names, section)
				found.places[section] = at
			}
		default:
			key, value, ok := d.split(trimmed)
			if !ok || key == "" {
				r.note(at, "", "%q is not a setting", trimmed)
				continue
			}
			raw := d.clean(value)
			e := entry{section: section, key: key, value: raw, raw: raw, at: at}
			if d.bare != nil {
				e.value = d.bare(raw)
			}
			if name, sub, ok := strings.Cut(key, "["); ok {
				e.key, e.sub = strings.TrimSpace(name), strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(sub), "]"))
			}
			all = append(all, e)
		}
	}
	return found, all
}

// parsed is one INI file that was read.
type parsed struct {
	found sections
	all   []entry
	own   map[string][]entry
}

// readAll reads files of one dialect.
func (r *reading) readAll(files []Source, d dialect) []parsed {
	all := make([]parsed, len(files))
	for i, f := range files {
		all[i].found, all[i].all = r.readINI(f, d)
		all[i].own = bySection(all[i].all)
	}
	return all
}

// bySection are the settings of each section; a later one replaces an earlier one of the same key.
func bySection(all []entry) map[string][]entry {
	type name struct{ section, key, sub string }
	own, seen := map[string][]entry{}, map[name]bool{}
	for _, e := range slices.Backward(all) {
		if n := (name{e.section, e.key, e.sub}); !seen[n] {
			seen[n] = true
			own[e.section] = append(own[e.section], e)
		}
	}
	for _, entries := range own {
		slices.Reverse(entries)
	}
	return own
}

// find is the setting of a key.
func find(own []entry, key string) (entry, bool) {
	for _, e := range own {
		if e.key == key {
			return e, true
		}
	}
	return entry{}, false
}

// yes tells what INI files call true.
func yes(s string) bool {
	switch strings.ToLower(s) {
	case "1", "yes", "true", "on":
		return true
	}
	return false
}
