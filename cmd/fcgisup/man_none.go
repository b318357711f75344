//go:build !man

package main

import "github.com/spf13/cobra"

// packagers are the commands that only make man has.
func (c *cli) packagers() []*cobra.Command { return nil }
