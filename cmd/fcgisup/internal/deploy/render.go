package deploy

import (
	"fmt"
	"os"
	"slices"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/webserver"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/units"
)

// Generation is one run of gen.
type Generation struct {
	*term.Env
	// Units and Nginx are which files are wanted.
	Units, Nginx bool
	// Web is the other web server whose files are wanted instead, empty for none.
	Web webserver.Kind
	// Engine is the engine whose files are wanted instead, nil for none.
	Engine    *EngineFlags
	Dir       string
	Check     bool
	Instances int
	Binary    string
	Inline    InlineFlags
	Hosts     HostFlags
}

// Run renders what is configured of these apps, or the command, which changed flags describe.
func (g *Generation) Run(names, command []string, changed func(flag string) bool) error {
	if info, err := os.Stat(g.Dir); err == nil && !info.IsDir() {
		return &term.ExitError{Code: term.ExitUsage, Hint: "name a directory; without --out gen prints the files", Cause: fmt.Errorf("--out: %s is not a directory", g.Dir)}
	}
	src, err := g.source(names, command, changed)
	if err != nil {
		return err
	}
	if g.Units && src.exposed != nil {
		return src.exposed
	}
	files, err := g.Render(src)
	if err != nil {
		return term.Usage(err)
	}
	switch {
	case g.Check:
		return g.drift(src, files)
	case g.Dir != "":
		return g.write(src, files)
	}
	return g.print(files)
}

// Render returns the files of all apps, in the order of the apps.
func (g *Generation) Render(src *Source) ([]fcgisup.File, error) {
	var files []fcgisup.File
	for _, app := range src.Apps {
		if g.Engine != nil {
			some, err := g.renderEngine(src, app)
			if err != nil {
				return nil, err
			}
			files = append(files, some...)
			continue
		}
		if g.Web != "" {
			file, err := g.renderWeb(src, app)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
			continue
		}
		made := src.generator(app)
		if g.Units && (g.Hosts.Host == "" || app.RunsOn([]string{g.Hosts.Host})) {
			some, err := units.Render(app, units.Options{Binary: g.Binary, Config: src.Config, Inline: src.inline, Generator: made})
			if err != nil {
				return nil, err
			}
			files = append(files, some...)
		}
		if g.Nginx {
			files = append(files, nginx.Render(app, g.nginxOptions(made, app))...)
		}
	}
	return files, nil
}

func (g *Generation) nginxOptions(made string, app fcgisup.App) nginx.Options {
	o := nginx.Options{Generator: g.Hosts.generator(made, app), DownHosts: g.Hosts.downOf(app)}
	if app.Nginx.Resolver != "" && slices.ContainsFunc(app.Hosts, fcgisup.Host.IsName) {
		o.Resolve = nginx.Resolves()
	}
	return o
}

func (g *Generation) print(files []fcgisup.File) error {
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
