package fcgisup

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// EnvExpand names the environment variable that, set to 1, does what --expand-env does.
const EnvExpand = "FCGISUP_EXPAND_ENV"

// Variables looks a variable up, as [os.LookupEnv] does.
type Variables func(name string) (value string, set bool)

// expandRule finds what is replaced in a value: $$, and what begins as a variable in braces does, closed or not. nginx's $uri
// is neither.
var expandRule = pattern(`\$\$|\$\{[^}]*\}?`)

var variableRule = pattern(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-)([^}]*))?\}$`)

// expansion replaces the variables of all values of a document, never those of keys.
type expansion struct {
	*decoder
	variables Variables
	// size is how much all values have become.
	size int
}

// walk expands what is below a node. An alias of a single value becomes a copy of its own: one may be a key, the other not.
func (x *expansion) walk(n *yaml.Node, key string) {
	switch n.Kind {
	case yaml.DocumentNode, yaml.SequenceNode:
		for i, item := range n.Content {
			at := key
			if n.Kind == yaml.SequenceNode {
				at = fmt.Sprintf("%s[%d]", key, i)
			}
			x.walk(item, at)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			x.walk(n.Content[i+1], join(key, n.Content[i].Value))
		}
	case yaml.ScalarNode:
		x.scalar(n, key)
	default: // an alias: what it stands for is expanded where it is
	}
}

// copyAliases replaces aliases of single values by what they stand for.
func copyAliases(n *yaml.Node) {
	for i, child := range n.Content {
		if child.Kind == yaml.AliasNode && child.Alias != nil && child.Alias.Kind == yaml.ScalarNode {
			own := *child.Alias
			own.Anchor, own.Line, own.Column = "", child.Line, child.Column
			n.Content[i] = &own
			continue
		}
		copyAliases(child)
	}
}

func (x *expansion) scalar(n *yaml.Node, key string) {
	if !strings.Contains(n.Value, "$") {
		return
	}
	errs := len(x.errs)
	value := expandRule().ReplaceAllStringFunc(n.Value, func(found string) string {
		if found == "$$" {
			return "$"
		}
		m := variableRule().FindStringSubmatch(found)
		if m == nil {
			x.errorAt(n, key, "%q is not a variable; they are ${NAME} or ${NAME:-DEFAULT}, and $$ is a dollar", found)
			return ""
		}
		value, set := x.variables(m[1])
		switch {
		case m[2] != "" && value == "":
			value = m[3]
		case !set:
			x.errorAt(n, key, "the variable %s is not set; ${%s:-DEFAULT} has a default", m[1], m[1])
		}
		if x.size += len(value); x.size > MaxConfigSize {
			return ""
		}
		return value
	})
	if len(x.errs) > errs {
		x.unset[n] = true
		return
	}
	n.Value = value
}

// expand replaces variables; without variables nothing is replaced.
func (d *decoder) expand(root *yaml.Node, variables Variables) {
	if variables == nil {
		return
	}
	d.unset = map[*yaml.Node]bool{}
	copyAliases(root)
	x := &expansion{decoder: d, variables: variables}
	x.walk(root, "")
	if x.size > MaxConfigSize {
		d.errorAt(root, "", "variables expand to more than 1 MiB")
	}
}
