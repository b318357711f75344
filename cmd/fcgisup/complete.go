package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// complete teaches the shell the names of the configuration that applies. What
// cannot be read completes to nothing: an error would break the line that is typed.
func (c *cli) complete(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "restart", "status":
			cmd.ValidArgsFunction = c.completeInstance
		case "reload", "remove", "sandbox":
			cmd.ValidArgsFunction = one(c.completeApp)
		case "apply":
			cmd.ValidArgsFunction = c.completeApp
		case "gen":
			cmd.ValidArgsFunction = c.completeApp
			for _, part := range cmd.Commands() {
				part.ValidArgsFunction = c.completeApp
			}
		}
		if cmd.Flags().Lookup("app") != nil {
			_ = cmd.RegisterFlagCompletionFunc("app", func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return c.completeApp(cmd, nil, "")
			}) // fails for a missing flag only
		}
	}
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml") // likewise
}

// completeApp offers the apps that are not on the line yet.
func (c *cli) completeApp(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	for _, a := range c.ConfiguredApps() {
		if !slices.Contains(args, a.Name) {
			names = append(names, described(a.Name, a.Description))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeInstance offers apps, and behind APP@ their instances.
func (c *cli) completeInstance(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	name, _, numbered := strings.Cut(begun, "@")
	if !numbered || len(args) > 0 {
		return one(c.completeApp)(cmd, args, begun)
	}
	var names []cobra.Completion
	for _, a := range c.ConfiguredApps() {
		if a.Name != name {
			continue
		}
		for _, in := range a.Expand() {
			names = append(names, described(fmt.Sprintf("%s@%d", a.Name, in.Number), in.Address.Addr))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// one is for commands that take a single name.
func one(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}

func described(name, description string) cobra.Completion {
	if description == "" {
		return name
	}
	return cobra.CompletionWithDesc(name, description)
}
