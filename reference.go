package fcgisup

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"
)

// Key is one key of the configuration file.
type Key struct {
	// Path is from the top: "apps.NAME.limits.stop_timeout". NAME stands for a
	// name that the administrator gives, [] for each item of a list.
	Path string
	// Doc is the key's meaning, a clause.
	Doc string
	// Kind is what the value may be: "duration", "mapping".
	Kind string
	// Default is as the file has it; empty: there is none.
	Default string
}

// mappingKind is the Kind of a key that only holds others.
const mappingKind = "mapping"

// anyName is what names stand for in a [Key]'s path.
const anyName = "NAME"

// Reference lists every key there is, parents first, in the order of the tables
// that read them. Nothing is written twice: the defaults are those of [Default],
// the kinds those of the setters.
func Reference() []Key {
	d := &decoder{nodes: map[string]*yaml.Node{}, keys: &[]Key{}}
	d.config(&Config{}, &yaml.Node{Kind: yaml.MappingNode})
	return *d.keys
}

// describing reports whether the decoder lists what it would read.
func (d *decoder) describing() bool { return d.keys != nil }

// describe lists the keys of one mapping, and what is below them.
func (d *decoder) describe(fields []field, key string) {
	for _, f := range fields {
		at := join(key, f.key)
		*d.keys = append(*d.keys, Key{Path: at, Doc: f.doc, Kind: mappingKind})
		f.set(d, &yaml.Node{Kind: yaml.MappingNode}, at)
	}
}

// about changes the entry of a key; for what is not a key, such as an item, nothing happens.
func (d *decoder) about(key string, change func(*Key)) {
	for i := range *d.keys {
		if (*d.keys)[i].Path == key {
			change(&(*d.keys)[i])
		}
	}
}

// kindly says what kind of value a setter takes, where its type does not.
func kindly(kind string, s set) set {
	return func(d *decoder, n *yaml.Node, key string) {
		s(d, n, key)
		if d.describing() {
			d.about(key, func(k *Key) { k.Kind = kind })
		}
	}
}

// tell describes a value by its type.
func (d *decoder) tell(key string, v any) {
	d.about(key, func(k *Key) { k.Kind, k.Default = kindOf(v), show(v) })
}

func kindOf(v any) string {
	switch v.(type) {
	case bool:
		return "true or false"
	case time.Duration:
		return "duration"
	case uint64:
		return "size"
	case fs.FileMode:
		return "octal mode"
	case syscall.Signal:
		return "signal"
	case Listen, Address:
		return "address"
	case *regexp.Regexp:
		return "regular expression"
	}
	return "text"
}

// show is a default as the file would have it; what is empty shows as nothing.
func show(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return showDuration(v)
	case fs.FileMode:
		return strconv.Quote(fmt.Sprintf("%04o", v))
	case syscall.Signal:
		return unix.SignalName(v)
	case Listen:
		if v.IsZero() {
			return ""
		}
	case *regexp.Regexp:
		if v == nil {
			return ""
		}
	case []StatusRange:
		all := make([]string, len(v))
		for i, r := range v {
			all[i] = r.String()
		}
		return strings.Join(all, ",")
	}
	return fmt.Sprint(v)
}

// showDuration leaves out what is zero behind the last unit that counts: 4h, not 4h0m0s.
func showDuration(v time.Duration) string {
	s := v.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
