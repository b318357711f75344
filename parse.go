package fcgisup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds what aliases may expand to: a file of this size without any has fewer.
const maxNodes = 500_000

// Parse reads a configuration; name stands for it in errors, which are [Errors]. With variables, ${NAME} and ${NAME:-DEFAULT} in
// values are replaced.
func Parse(name string, data []byte, variables ...Variables) (*Config, error) {
	d := &decoder{file: name, nodes: map[string]*yaml.Node{}}
	cfg := &Config{Path: name, Text: data}
	if len(data) > MaxConfigSize {
		d.errorAt(nil, "", "is larger than 1 MiB")
		return nil, d.errs
	}
	if root := d.document(data); root != nil {
		for _, v := range variables {
			d.expand(root, v)
		}
		d.config(cfg, root)
	}
	if len(d.errs) > 0 {
		d.errs.sort()
		return nil, d.errs
	}
	d.warnings.sort()
	cfg.Warnings = d.warnings
	return cfg, nil
}

// decoder walks YAML nodes instead of unmarshalling, since only nodes know
// their position and only a walk can go on after an error.
type decoder struct {
	file string
	errs Errors
	// warnings do not refuse the file.
	warnings Errors
	// nodes remembers where each value stands, for checks that span several.
	nodes map[string]*yaml.Node
	seen  int
	// unset are values with a variable that has an error already.
	unset map[*yaml.Node]bool
	// keys is set by [Reference] only: nothing is read then, what could be is listed.
	keys *[]Key
}

func (d *decoder) errorAt(n *yaml.Node, key, format string, args ...any) {
	e := &Error{File: d.file, Line: 1, Col: 1, Key: key, Msg: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line, e.Col = n.Line, n.Column
	}
	d.errs = append(d.errs, e)
}

// warnAt notes what is accepted and will cause trouble; see [Config.Warnings].
func (d *decoder) warnAt(n *yaml.Node, key, format string, args ...any) {
	errs := d.errs
	d.errorAt(n, key, format, args...)
	w := d.errs[len(errs)]
	w.Warning = true
	d.errs, d.warnings = errs, append(d.warnings, w)
}

// document returns the only document's root, nil when there is none or an error.
func (d *decoder) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		d.errorAt(nil, "", "is empty; it must hold apps")
		return nil
	case err != nil:
		d.syntaxError(data, err)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.errorAt(&second, "", "holds a second YAML document; one is allowed")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntaxError(data, err)
		return nil
	}
	return doc.Content[0]
}

// yamlLine finds the line in yaml.v3's messages, which carry no other position.
var yamlLine = pattern(`^yaml: (?:line (\d+): )?(.*)`)

func (d *decoder) syntaxError(data []byte, err error) {
	at := &yaml.Node{Line: 1, Column: 1}
	msg := err.Error()
	if m := yamlLine().FindStringSubmatch(strings.ReplaceAll(msg, "\n", " ")); m != nil {
		msg = m[2]
		if line, err := strconv.Atoi(m[1]); err == nil {
			at.Line = line
		} else if line, column, what := foreignText(data); what != "" {
			at, msg = &yaml.Node{Line: line, Column: column}, what
		}
	}
	if strings.Contains(msg, "tab character") || strings.Contains(msg, "cannot start any token") {
		if line, column := indentedByTab(data, at.Line); line > 0 {
			at, msg = &yaml.Node{Line: line, Column: column}, "a tab in the indentation; indent with spaces"
		}
	}
	d.errorAt(at, "", "not YAML: %s", msg)
}

// indentedByTab returns the place of the first tab in the indentation from a line on; 0: there is none. yaml.v3 names
// the line before it, or only the character.
func indentedByTab(data []byte, from int) (line, column int) {
	for text := range strings.Lines(string(data)) {
		line++
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if at := strings.IndexByte(indent, '\t'); at >= 0 && line >= from {
			return line, at + 1
		}
	}
	return 0, 0
}

// foreignText returns the place of the first character that YAML does not allow in a file of UTF-8, and what it
// is; yaml.v3 refuses them without a position.
func foreignText(data []byte) (line, column int, what string) {
	line, column = 1, 1
	for i, r := range string(data) {
		switch {
		case r == utf8.RuneError && data[i] != 0xEF:
			return line, column, fmt.Sprintf("byte 0x%02X is not UTF-8", data[i])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7F && r < 0xA0 && r != 0x85:
			return line, column, fmt.Sprintf("control character %U is not allowed", r)
		case r == '\n':
			line, column = line+1, 0
		}
		column++
	}
	return 0, 0, ""
}

// resolve follows aliases; nil once the file has expanded to too much.
func (d *decoder) resolve(n *yaml.Node, key string) *yaml.Node {
	d.seen++
	if d.seen > maxNodes {
		if d.seen == maxNodes+1 {
			d.errorAt(n, key, "aliases expand to more than %d values", maxNodes)
		}
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// set reads one value into where it belongs.
type set func(d *decoder, n *yaml.Node, key string)

// field is one key of a mapping.
type field struct {
	key string
	// doc is the key's line in the configuration reference.
	doc string
	set set
}

// section reads a mapping with a fixed set of keys.
func section(fields []field) set {
	return func(d *decoder, n *yaml.Node, key string) {
		d.mapping(n, key, func(k, v *yaml.Node, at string) {
			d.choose(fields, key, k, v, at)
		})
	}
}

// choose sets the field that a key names.
func (d *decoder) choose(fields []field, key string, k, v *yaml.Node, at string) {
	if d.describing() {
		d.describe(fields, key)
		return
	}
	for _, f := range fields {
		if f.key == k.Value {
			f.set(d, v, at)
			return
		}
	}
	d.errorAt(k, at, "unknown key; %s takes %s", place(key), keyList(fields))
}

func place(key string) string {
	if key == "" {
		return "the file"
	}
	return key
}

func keyList(fields []field) string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return strings.Join(keys, ", ")
}

// mapping calls each for every key of a mapping, once, in file order.
func (d *decoder) mapping(n *yaml.Node, key string, each func(k, v *yaml.Node, at string)) {
	if d.describing() {
		each(&yaml.Node{Kind: yaml.ScalarNode, Value: anyName}, n, join(key, anyName))
		return
	}
	d.nodes[key] = n
	n = d.resolve(n, key)
	if n == nil {
		return
	}
	if d.unset[n] {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.errorAt(n, key, "must be a mapping, not %s", kind(n))
		return
	}
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := d.resolve(n.Content[i], key), n.Content[i+1]
		if k == nil {
			return
		}
		name, ok := d.scalar(k, join(key, "?"))
		if !ok {
			continue
		}
		at := join(key, name)
		if earlier := first[name]; earlier != nil {
			d.errorAt(k, at, "duplicate key, first on line %d", earlier.Line)
			continue
		}
		first[name] = k
		d.nodes[at] = v
		each(k, v, at)
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// scalar returns a plain value; what could break out of a generated line is refused here, for every value there is.
func (d *decoder) scalar(n *yaml.Node, key string) (string, bool) {
	if d.describing() {
		return "", false
	}
	at := n
	if n = d.resolve(n, key); n == nil {
		return "", false
	}
	if d.unset[n] {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.errorAt(at, key, "must be a single value, not %s", kind(n))
		return "", false
	}
	for _, r := range n.Value {
		if unicode.IsControl(r) && r != '\t' {
			d.errorAt(at, key, "must not contain a newline, a NUL or another control character")
			return "", false
		}
	}
	return n.Value, true
}

// sequence calls each for every item; a single value counts as one item.
func (d *decoder) sequence(n *yaml.Node, key string, each func(n *yaml.Node, at string)) {
	if d.describing() {
		each(n, key+"[]")
		return
	}
	r := d.resolve(n, key)
	if r == nil {
		return
	}
	if r.Kind != yaml.SequenceNode {
		each(n, key)
		return
	}
	for i, item := range r.Content {
		each(item, fmt.Sprintf("%s[%d]", key, i))
	}
}

func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	case strings.Contains(n.Value, "://"):
		return "a URL" // which may hold a secret
	}
	return strconv.Quote(n.Value)
}
