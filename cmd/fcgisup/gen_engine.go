package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/engine"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// engineHelp is what the help of each says.
var engineHelp = map[engine.Kind]string{
	engine.Kubernetes: `gen kubernetes renders a manifest for each app: a Deployment, whose pods run
fcgisup and nginx with the socket shared, Service, PodDisruptionBudget, and a
ConfigMap with the app's configuration and the files of gen nginx. instances:
becomes replicas; a pod has one instance. --with podmonitor adds a PodMonitor.`,
	engine.Compose: `gen compose renders a compose file for each app: fcgisup and nginx, with the
socket shared. One container of fcgisup has one instance.`,
	engine.Quadlet: `gen quadlet renders units for Podman's Quadlet: the sockets and the target of
gen units, for /etc/systemd/system, and APP-fastcgi@.container, for
/etc/containers/systemd. The first connection starts a container, which gets
the socket. The web server is the host's.`,
}

// engineFlags are those of gen kubernetes, compose and quadlet.
type engineFlags struct {
	kind  engine.Kind
	image string
	with  []string
}

func (g *generation) engineCommand(kind engine.Kind) *cobra.Command {
	cmd := g.command(string(kind), "Render files for "+kind.Name()+" only", false, false)
	flags := &engineFlags{kind: kind}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if g.check && g.out == "" {
			return term.Usage(fmt.Errorf("--check of gen %s needs --out: there is no place where these files are installed", kind))
		}
		for _, with := range flags.with {
			if with != "podmonitor" {
				return term.Usage(fmt.Errorf("--with: %q is not one of podmonitor", with))
			}
		}
		g.engine = flags
		return run(cmd, args)
	}
	cmd.Use = string(kind) + " [APP...]"
	cmd.Long = engineHelp[kind] + `

The image has the program and fcgisup in it. Keys that have no counterpart are
named on stderr, and in the file.`
	cmd.Example = fmt.Sprintf("  fcgisup gen %[1]s rt --image example/rt:1.2\n  fcgisup gen %[1]s --out build", kind)
	cmd.Flags().StringVar(&flags.image, "image", "", "`IMAGE` of the program (default APP:latest)")
	if kind == engine.Kubernetes {
		cmd.Flags().StringSliceVar(&flags.with, "with", nil, "additional `OBJECTS`: podmonitor")
	}
	return cmd
}

// renderEngine returns an app's files for an engine, and names what is left out of them.
func (g *generation) renderEngine(src *source, app fcgisup.App) ([]fcgisup.File, error) {
	if src.inline {
		return nil, errors.New("a container has its command in a configuration; fcgisup init writes one")
	}
	o := engine.Options{
		Text: src.text, Image: g.engine.image, Generator: src.generator(app, string(g.engine.kind)),
		ExpandEnv: g.Variables() != nil, Private: src.private, PodMonitor: len(g.engine.with) > 0,
	}
	if o.Image == "" {
		o.Image = app.Name + ":latest"
	} else {
		o.Generator += " --image " + term.ShellWord(o.Image)
	}
	if o.PodMonitor {
		o.Generator += " --with podmonitor"
	}
	files, notes, err := engine.Render(g.engine.kind, app, o)
	for _, n := range notes {
		fmt.Fprintf(g.Err, "fcgisup: %s has no counterpart in %s: %s\n", n.Key, g.engine.kind.Name(), n.Why)
	}
	return files, err
}
