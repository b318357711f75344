package main

import (
	"fmt"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/engine"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/webserver"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/units"
)

// generation is one run of gen.
type generation struct {
	*term.Env
	// units and nginx are which files are wanted.
	units, nginx bool
	// web is the other web server whose files are wanted instead, empty for none.
	web webserver.Kind
	// engine is the engine whose files are wanted instead, nil for none.
	engine    *engineFlags
	out       string
	check     bool
	instances int
	binary    string
	inline    inlineFlags
}

// run renders what is configured of these apps, or the command, which changed flags describe.
func (g *generation) run(names, command []string, changed func(flag string) bool) error {
	src, err := g.source(names, command, changed)
	if err != nil {
		return err
	}
	if g.units && src.exposed != nil {
		return src.exposed
	}
	files, err := g.render(src)
	if err != nil {
		return term.Usage(err)
	}
	switch {
	case g.check:
		return g.drift(src, files)
	case g.out != "":
		return g.write(src, files)
	}
	return g.print(files)
}

// render returns the files of all apps, in the order of the apps.
func (g *generation) render(src *source) ([]fcgisup.File, error) {
	var files []fcgisup.File
	for _, app := range src.apps {
		if g.engine != nil {
			some, err := g.renderEngine(src, app)
			if err != nil {
				return nil, err
			}
			files = append(files, some...)
			continue
		}
		if g.web != "" {
			file, err := g.renderWeb(src, app)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
			continue
		}
		made := src.generator(app)
		if g.units {
			some, err := units.Render(app, units.Options{Binary: g.binary, Config: src.config, Inline: src.inline, Generator: made})
			if err != nil {
				return nil, err
			}
			files = append(files, some...)
		}
		if g.nginx {
			files = append(files, nginx.Render(app, nginx.Options{Generator: made})...)
		}
	}
	return files, nil
}

func (g *generation) print(files []fcgisup.File) error {
	for i, f := range files {
		if i > 0 {
			fmt.Fprintln(g.Env.Out)
		}
		if _, err := fmt.Fprintf(g.Env.Out, "# ==> %s <==\n%s", f.Path, f.Data); err != nil {
			return fmt.Errorf("cannot print %s: %w", f.Path, err)
		}
	}
	return nil
}
