package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/engine"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/webserver"
	"github.com/fcgisup/fcgisup/units"
)

func (c *cli) genCommand() *cobra.Command {
	g := &deploy.Generation{Env: c.Env}
	gen := genCommandOf(g, "gen", "Render systemd units and nginx files", true, true)
	gen.Long = `gen prints the files that the configuration describes: systemd units, an nginx
upstream (http block) and an nginx location (server block), each under a line
"# ==> PATH <==".

--out DIR writes DIR/systemd/* and DIR/nginx/* instead. It changes only files
that differ, and removes those that it wrote for removed instances and apps.
--check compares with the files in DIR, or with the installed files if there is
no --out. It prints a unified diff and exits 1 if there is one.

APPs are names in the configuration (default all). After -- comes the command of
an app without a configuration. With neither a configuration nor a command, gen
prints the built-in example.

The units name the configuration given by --config or $FCGISUP_CONFIG, else
` + fcgisup.SystemConfig + `, also when gen reads ./fcgisup.yaml.`
	gen.Example = `  fcgisup gen --instances 5
  fcgisup gen rt --out build
  fcgisup gen units --check
  fcgisup gen hello --instances 3 --user hello -- /usr/local/bin/hello.fcgi -v`
	f := gen.PersistentFlags()
	f.IntVar(&g.Instances, "instances", 0, "`NUMBER` of instances, instead of the configuration's")
	f.StringVar(&g.Dir, "out", "", "`DIR` for the files (default standard output)")
	f.BoolVar(&g.Check, "check", false, "diff of the files in place instead of writing; exit code 1 if they differ")
	f.StringVar(&g.Binary, "binary", units.Binary, "`PATH` of fcgisup in the units")
	g.Hosts.Define(f, "default any")
	g.Inline.Define(f, "www-data")
	gen.AddCommand(
		genCommandOf(g, "units", "Render the systemd units only", true, false),
		genCommandOf(g, "nginx", "Render the nginx files only", false, true))
	for _, kind := range webserver.Kinds {
		gen.AddCommand(webCommand(g, kind))
	}
	for _, kind := range engine.Kinds {
		gen.AddCommand(engineCommand(g, kind))
	}
	return gen
}

func genCommandOf(g *deploy.Generation, name, short string, wantUnits, wantNginx bool) *cobra.Command {
	return &cobra.Command{
		Use:     name + " [APP...] [-- COMMAND...]",
		Short:   short,
		Long:    short + ", with the configuration and the flags of gen.",
		Example: "  fcgisup gen " + name + " rt --instances 5\n  fcgisup gen " + name + " --check",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			g.Units, g.Nginx = wantUnits, wantNginx
			names, command := args, []string(nil)
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				names, command = args[:at], args[at:]
			}
			return g.Run(names, command, cmd.Flags().Changed)
		},
	}
}

// webHelp is what the help of each web server adds to the place of its file.
var webHelp = map[webserver.Kind]string{
	webserver.Apache: `Include the file in a <VirtualHost>, or enable it for all hosts with a2enconf.
Each process of Apache waits for limits.queue_wait before it answers 503.`,
	webserver.Caddy: `Import the file in a site block.`,
	webserver.HAProxy: `Add the file to HAProxy's command line (-f), and copy the use_backend line in
its head to a frontend. Requests wait in HAProxy for at most limits.queue_wait.`,
	webserver.Lighttpd: `Enable the file with lighty-enable-mod, or include it.`,
}

func webCommand(g *deploy.Generation, kind webserver.Kind) *cobra.Command {
	cmd := genCommandOf(g, string(kind), "Render the "+kind.Name()+" file only", false, false)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		g.Web = kind
		return run(cmd, args)
	}
	place, _ := webserver.Installed(webserver.Path(kind, "APP"))
	cmd.Long = fmt.Sprintf(`gen %s renders one file for each app, from the keys nginx: and web:.
--out DIR writes %s;
--check without --out compares %s.

%s

Variables of nginx in nginx.params are translated. Settings without a
counterpart in %s are listed on standard error and in the file.`,
		kind, "DIR/"+webserver.Path(kind, "APP"), place, webHelp[kind], kind.Name())
	cmd.Example = fmt.Sprintf(`  fcgisup gen %[1]s rt
  fcgisup gen %[1]s --out build
  fcgisup gen %[1]s --check`, kind)
	return cmd
}
