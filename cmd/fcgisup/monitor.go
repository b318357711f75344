package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/watch"
	"github.com/fcgisup/fcgisup/units"
)

func (c *cli) monitorCommand() *cobra.Command {
	m := &watch.Monitor{Env: c.Env}
	printUnit := false
	cmd := &cobra.Command{
		Use:   "monitor",
		Short: "Serve the status page, metrics and alerts of this host",
		Long: `monitor watches all instances of this host. It serves a status page with the
last 24 hours, /metrics of all instances, /healthz and /api/v1/status, and sends
the alerts under alerts:. It does not wake sleeping instances. It probes
services that run without a supervisor (systemd.supervise: false), and restarts
them when they do not answer.

SIGHUP reads the configuration again; an invalid one changes nothing. Flags take
precedence over the keys under monitor:.`,
		Example: `  fcgisup monitor
  fcgisup monitor --listen /run/fcgisup/monitor.sock
  fcgisup monitor --listen 192.0.2.7:9180 --token-file /etc/fcgisup/token
  fcgisup monitor --print-unit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printUnit {
				return c.printMonitorUnit()
			}
			return m.Run(cmd.Context())
		},
	}
	m.Define(cmd.Flags())
	cmd.Flags().BoolVar(&printUnit, "print-unit", false, "unit of the service on standard output, without running")
	return cmd
}

// printMonitorUnit prints the service; one that is to read another file names it.
func (c *cli) printMonitorUnit() error {
	o := units.Options{Generator: "fcgisup monitor --print-unit"}
	if c.Config != "" {
		path, err := filepath.Abs(c.Config)
		if err != nil {
			return fmt.Errorf("cannot resolve the path %s: %w", c.Config, err)
		}
		o.Config = path
		o.Generator += " --config " + path
	}
	_, err := c.Out.Write(units.Monitor(o).Data)
	return err
}
