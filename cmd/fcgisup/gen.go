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
	f.IntVar(&g.Instances, "instances", 0, "`NUMBER` of instances, instead of the configuration's")
	f.StringVar(&g.Dir, "out", "", "write below `DIR` instead of printing")
	f.BoolVar(&g.Check, "check", false, "write nothing, print a diff, exit 1 if there is any")
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
		Example: "  fcgisup gen " + name + " rt --instances 5",
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

// webHelp is what the help of each says beyond where the file goes.
var webHelp = map[webserver.Kind]string{
	webserver.Apache: `Include the file in a <VirtualHost>, or enable it for all with a2enconf.
Apache waits for limits.queue_wait before it answers 503, per process.`,
	webserver.Caddy: `Import the file in a site block.`,
	webserver.HAProxy: `Have HAProxy read the file beside its own (-f), and copy the use_backend line of
its head into a frontend. Requests wait in HAProxy, for limits.queue_wait at most.`,
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
	cmd.Long = fmt.Sprintf(`gen %s renders one file for each app, from the same keys as gen nginx (nginx,
web). --out DIR writes %s;
--check without --out compares %s.

%s

nginx's variables in nginx.params are translated. What %s has no
counterpart for is named on stderr, and in the file at its place.`,
		kind, "DIR/"+webserver.Path(kind, "APP"), place, webHelp[kind], kind.Name())
	cmd.Example = fmt.Sprintf(`  fcgisup gen %[1]s rt
  fcgisup gen %[1]s --out build
  fcgisup gen %[1]s --check`, kind)
	return cmd
}
