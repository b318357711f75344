package main

import "github.com/spf13/cobra"

// commands are all there are, in the order of --help.
func (c *cli) commands() []*cobra.Command {
	return []*cobra.Command{
		c.initCommand(),
		c.genCommand(),
		c.runCommand(),
		c.validateCommand(),
		c.versionCommand(),
	}
}
