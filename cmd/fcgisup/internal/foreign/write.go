package foreign

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup"
)

// reasons are comments at keys whose value a reader may wonder about.
var reasons = map[string]string{
	"systemd.sandbox": "as before; fcgisup's own default is basic",
}

// write renders the apps as a configuration, keys in the order of the reference.
func write(drafts []*draft) []byte {
	apps := &yaml.Node{Kind: yaml.MappingNode}
	order := appKeys()
	for _, d := range drafts {
		key := scalar(d.name)
		key.HeadComment = "# " + plain(d.of)
		app := &yaml.Node{Kind: yaml.MappingNode}
		for _, path := range order {
			if v, ok := d.values[path]; ok {
				place := descend(app, path)
				put(place, path[strings.LastIndexByte(path, '.')+1:], value(v), reasons[path])
			}
		}
		apps.Content = append(apps.Content, key, app)
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	put(root, "apps", apps, "")
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if e.Encode(root) != nil || e.Close() != nil {
		return nil // a node that cannot be written; settle then returns nothing
	}
	return b.Bytes()
}

// appKeys are the paths below an app, in the reference's order.
var appKeys = sync.OnceValue(func() []string {
	var all []string
	for _, k := range fcgisup.Reference() {
		if path, ok := strings.CutPrefix(k.Path, "apps.NAME."); ok {
			all = append(all, path)
		}
	}
	return all
})

// descend finds or makes the mapping that a path's last key is in.
func descend(n *yaml.Node, path string) *yaml.Node {
	words := strings.Split(path, ".")
	for _, word := range words[:len(words)-1] {
		at := -1
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == word {
				at = i + 1
			}
		}
		if at < 0 {
			put(n, word, &yaml.Node{Kind: yaml.MappingNode}, "")
			at = len(n.Content) - 1
		}
		n = n.Content[at]
	}
	return n
}

func put(n *yaml.Node, key string, v *yaml.Node, why string) {
	if why != "" {
		v.LineComment = "# " + why
	}
	n.Content = append(n.Content, scalar(key), v)
}

func value(v any) *yaml.Node {
	switch v := v.(type) {
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case []string:
		return list(v)
	case map[string]string:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			put(n, k, scalar(v[k]), "")
		}
		return n
	case map[string][]string:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			item := list(v[k])
			if len(v[k]) == 1 {
				item = scalar(v[k][0])
			}
			put(n, k, item, "")
		}
		return n
	case string:
		return scalar(v)
	}
	return scalar("")
}

func list(all []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range all {
		n.Content = append(n.Content, scalar(s))
	}
	return n
}

// scalar is text; what YAML would read as something else gets quotes. Only such
// text: a duration or a mode is a string as well.
func scalar(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if !utf8.ValidString(s) {
		n.Value = strings.ToValidUTF8(s, "\uFFFD")
	}
	return n
}

// plain is text for a comment.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
