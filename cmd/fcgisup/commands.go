package main

import "github.com/spf13/cobra"

// commands are all there are, in the order of --help; or run alone, if that is what was
// called: a request may wait for it, and the others take a millisecond to build.
func (c *cli) commands() []*cobra.Command {
	if len(c.Args) > 0 && c.Args[0] == "run" {
		return []*cobra.Command{c.runCommand()}
	}
	all := []*cobra.Command{
		c.demoCommand(),
		c.demoWorkerCommand(),
		c.initCommand(),
		c.importCommand(),
		c.genCommand(),
		c.applyCommand(),
		c.removeCommand(),
		c.runCommand(),
		c.checkCommand(),
		c.statusCommand(),
		c.doctorCommand(),
		c.topCommand(),
		c.restartCommand(),
		c.reloadCommand(),
		c.monitorCommand(),
		c.alertCommand(),
		c.validateCommand(),
		c.sandboxCommand(),
		c.versionCommand(),
	}
	return append(all, c.packagers()...)
}
