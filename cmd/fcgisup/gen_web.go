package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/webserver"
)

// webHelp is what the help of each says beyond where the file goes.
var webHelp = map[webserver.Kind]string{
	webserver.Apache: `Include the file in a <VirtualHost>, or enable it for all with a2enconf.
Apache waits for limits.queue_wait before it answers 503, per process.`,
	webserver.Caddy: `Import the file in a site block.`,
	webserver.HAProxy: `Have HAProxy read the file beside its own (-f), and copy the use_backend line of
its head into a frontend. Requests wait in HAProxy, for limits.queue_wait at most.`,
	webserver.Lighttpd: `Enable the file with lighty-enable-mod, or include it.`,
}

func (g *generation) webCommand(kind webserver.Kind) *cobra.Command {
	cmd := g.command(string(kind), "Render the "+kind.Name()+" file only", false, false)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		g.web = kind
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

// renderWeb returns an app's file for another web server, and names what is left out of it.
func (g *generation) renderWeb(src *source, app fcgisup.App) (fcgisup.File, error) {
	file, notes, err := webserver.Render(g.web, app, src.generator(app, string(g.web)))
	for _, n := range notes {
		fmt.Fprintf(g.Err, "fcgisup: %s has no counterpart in %s: %s\n", n.Key, g.web.Name(), n.Why)
	}
	return file, err
}
