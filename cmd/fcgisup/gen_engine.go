package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/engine"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// engineHelp is the beginning of the help of each engine.
var engineHelp = map[engine.Kind]string{
	engine.Kubernetes: `gen kubernetes renders a manifest for each app: a Deployment, a Service, a
PodDisruptionBudget, and a ConfigMap with the configuration and the nginx files.
A pod runs fcgisup and nginx, which share the socket of one instance; instances:
becomes replicas. --with adds a PodMonitor or a HorizontalPodAutoscaler on the
metric fcgisup_saturation.`,
	engine.Compose: `gen compose renders a compose file for each app. Its two containers, fcgisup and
nginx, share the socket of one instance.`,
	engine.Quadlet: `gen quadlet renders units for Podman's Quadlet: sockets and target, as gen
units, for /etc/systemd/system, and APP-fastcgi@.container for
/etc/containers/systemd. The first connection starts a container, which inherits
the socket. The web server runs on the host.`,
}

func engineCommand(g *deploy.Generation, kind engine.Kind) *cobra.Command {
	cmd := genCommandOf(g, string(kind), "Render files for "+kind.Name()+" only", false, false)
	flags := &deploy.EngineFlags{Kind: kind}
	var with []string
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if g.Check && g.Dir == "" {
			return term.Usage(fmt.Errorf("gen %s: --check needs --out, because these files have no installed place", kind))
		}
		flags.With = nil
		for _, word := range with {
			if !slices.Contains(engine.Objects, engine.Object(word)) {
				return term.Usage(fmt.Errorf("--with: %q is not one of podmonitor, hpa", word))
			}
			if !slices.Contains(flags.With, engine.Object(word)) {
				flags.With = append(flags.With, engine.Object(word))
			}
		}
		g.Engine = flags
		return run(cmd, args)
	}
	cmd.Use = string(kind) + " [APP...]"
	cmd.Long = engineHelp[kind] + `

The image must contain the program and fcgisup. Settings without a counterpart
are listed on standard error and in the file.`
	cmd.Example = fmt.Sprintf("  fcgisup gen %[1]s rt --image example/rt:1.2\n  fcgisup gen %[1]s --out build", kind)
	cmd.Flags().StringVar(&flags.Image, "image", "", "`IMAGE` of the program (default APP:latest)")
	if kind == engine.Kubernetes {
		cmd.Flags().StringSliceVar(&with, "with", nil, "additional `OBJECTS`: podmonitor, hpa")
	}
	return cmd
}
