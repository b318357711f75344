package main

import (
	"fmt"

	"github.com/spf13/cobra"

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

func (c *cli) genCommand() *cobra.Command {
	g := &generation{Env: c.Env}
	gen := g.command("gen", "Render systemd units and nginx files", true, true)
	gen.Long = `gen renders what the configuration says: systemd units, an nginx upstream
(http block) and an nginx location (server block). It prints the files, each
under a line "# ==> PATH <==".

--out DIR writes DIR/systemd/* and DIR/nginx/* instead, each atomically, only
those that differ; what an earlier gen left for instances that are no more is
removed. --check writes nothing: it prints a unified diff of the files in DIR,
or of those installed if there is no --out (/etc/systemd/system,
/etc/nginx/conf.d/APP-upstream.conf, /etc/nginx/snippets/APP-location.conf), and
exits 1 if there is any.

APPs are those of the configuration, all by default. After -- comes the command
of an app that no configuration describes; its name is APP or the command's. With
neither configuration nor command the built-in example is rendered, but for --check.

The units name the configuration by --config or $FCGISUP_CONFIG, else
` + fcgisup.SystemConfig + `: a ./fcgisup.yaml is taken for a draft of that one.`
	gen.Example = `  fcgisup gen --instances 5
  fcgisup gen rt --out build
  fcgisup gen units --check
  fcgisup gen hello --instances 3 --user hello -- /usr/local/bin/hello.fcgi -v`
	f := gen.PersistentFlags()
	f.IntVar(&g.instances, "instances", 0, "`NUMBER` of instances, instead of the configuration's")
	f.StringVar(&g.out, "out", "", "write below `DIR` instead of printing")
	f.BoolVar(&g.check, "check", false, "write nothing, print a diff, exit 1 if there is any")
	f.StringVar(&g.binary, "binary", units.Binary, "`PATH` of fcgisup in the units")
	g.inline.define(f, "www-data")
	gen.AddCommand(
		g.command("units", "Render the systemd units only", true, false),
		g.command("nginx", "Render the nginx files only", false, true))
	for _, kind := range webserver.Kinds {
		gen.AddCommand(g.webCommand(kind))
	}
	for _, kind := range engine.Kinds {
		gen.AddCommand(g.engineCommand(kind))
	}
	return gen
}

func (g *generation) command(name, short string, wantUnits, wantNginx bool) *cobra.Command {
	return &cobra.Command{
		Use:     name + " [APP...] [-- COMMAND...]",
		Short:   short,
		Example: "  fcgisup gen " + name + " rt --instances 5",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			g.units, g.nginx = wantUnits, wantNginx
			return g.run(cmd, args)
		},
	}
}

func (g *generation) run(cmd *cobra.Command, args []string) error {
	names, command := args, []string(nil)
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		names, command = args[:at], args[at:]
	}
	src, err := g.source(names, command, cmd.Flags().Changed)
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
