package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup"
)

// hostKeys are those of an app that a pod has no use for, and why. The web server's are in nginx's files.
var hostKeys = map[string]string{
	"user": "", "group": "",
	"after": "the program must wait itself", "wants": "no other service is started", "requires": "no other service is started",
	"environment_file": "mount a secret, or set the variables of the container", "systemd": "the engine's own settings apply",
	"hosts": "the engine assigns the addresses of pods",
	"nginx": "", "web": "", "listen": "", "instances": "",
}

// configure makes the pod's configuration of the app's: the text's own words, less what is about a host.
func (p *pod) configure(app fcgisup.App) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(p.Text, &doc); err != nil || len(doc.Content) == 0 {
		return fmt.Errorf("cannot render %s for %s: it needs a configuration file", app.Name, p.kind.Name())
	}
	node := value(value(doc.Content[0], "apps"), app.Name)
	if node == nil {
		return fmt.Errorf("cannot render %s for %s: it needs a configuration file", app.Name, p.kind.Name())
	}
	if p.kind == Quadlet { // the host's own configuration is mounted, and systemd is there
		return nil
	}
	own := clone(node)
	p.dropHostKeys(own)
	set(own, "listen", p.app.Listen.String())
	limits := value(own, "limits")
	if limits == nil {
		limits = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		own.Content = append(own.Content, scalar("limits"), limits)
	}
	set(limits, "drain_delay", p.app.Limits.DrainDelay.String())
	root := mapping("apps", mapping(app.Name, own))
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	p.config = out.String()
	if _, err := fcgisup.Parse("the pod's configuration", out.Bytes()); err != nil && !p.ExpandEnv {
		return fmt.Errorf("internal error: %w", err)
	}
	return nil
}

func (p *pod) dropHostKeys(app *yaml.Node) {
	keep := app.Content[:0:0]
	for i := 0; i+1 < len(app.Content); i += 2 {
		k, v := app.Content[i], app.Content[i+1]
		why, drop := hostKeys[k.Value]
		switch {
		case (k.Value == "user" || k.Value == "group") && v.Value != "www-data":
			p.note(k.Value, "the containers run as user and group %d", user)
		case k.Value == "socket":
			if backlog := value(v, "backlog"); backlog != nil {
				keep = append(keep, k, mapping("backlog", backlog))
			}
			for _, key := range []string{"user", "group", "mode"} {
				if value(v, key) != nil {
					p.note("socket."+key, "the containers share the socket")
				}
			}
			continue
		case drop && why != "":
			p.note(k.Value, "%s", why)
		}
		if !drop {
			keep = append(keep, k, v)
		}
	}
	app.Content = keep
}

func (p *pod) note(key, format string, args ...any) {
	p.notes = append(p.notes, Note{Key: "apps." + p.app.Name + "." + key, Why: fmt.Sprintf(format, args...)})
}

// value is what a mapping has for a key, nil for nothing.
func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// clone copies a node without comments, aliases replaced by what they stand for. The configuration's reader has bounded them.
func clone(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	own := *n
	own.Anchor, own.HeadComment, own.LineComment, own.FootComment = "", "", "", ""
	own.Content = nil
	for _, child := range n.Content {
		own.Content = append(own.Content, clone(child))
	}
	return &own
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

func mapping(key string, v *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(key), v}}
}

// set replaces a key of a mapping.
func set(n *yaml.Node, key, text string) {
	at := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == key })
	if at >= 0 && at%2 == 0 {
		n.Content[at+1] = scalar(text)
		return
	}
	n.Content = append(n.Content, scalar(key), scalar(text))
}

// quoted is a text as YAML and JSON have it.
func quoted(text string) string { return strconv.Quote(text) }
