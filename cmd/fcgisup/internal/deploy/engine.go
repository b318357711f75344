package deploy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/engine"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// EngineFlags are those of gen kubernetes, compose and quadlet.
type EngineFlags struct {
	Kind  engine.Kind
	Image string
	With  []engine.Object
}

// renderEngine returns an app's files for an engine, and names what is left out of them.
func (g *Generation) renderEngine(src *Source, app fcgisup.App) ([]fcgisup.File, error) {
	if src.inline {
		return nil, errors.New("a container has its command in a configuration; fcgisup init writes one")
	}
	o := engine.Options{
		Text: src.text, Image: g.Engine.Image, Generator: src.generator(app, string(g.Engine.Kind)),
		ExpandEnv: g.Variables() != nil, Private: src.private, With: g.Engine.With,
	}
	if o.Image == "" {
		o.Image = app.Name + ":latest"
	} else {
		o.Generator += " --image " + term.ShellWord(o.Image)
	}
	if len(o.With) > 0 {
		o.Generator += " --with " + join(o.With)
	}
	files, notes, err := engine.Render(g.Engine.Kind, app, o)
	for _, n := range notes {
		fmt.Fprintf(g.Err, "fcgisup: %s has no counterpart in %s: %s\n", n.Key, g.Engine.Kind.Name(), n.Why)
	}
	return files, err
}

func join(objects []engine.Object) string {
	words := make([]string, len(objects))
	for i, o := range objects {
		words[i] = string(o)
	}
	return strings.Join(words, ",")
}
