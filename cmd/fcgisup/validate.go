package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/doctor"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func (c *cli) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the configuration and report all errors",
		Long: `validate reads the configuration and prints every error with file, line and
column. It warns of values that are valid and likely to cause problems.
Exit code 0: valid, with or without warnings; 2: invalid.`,
		Example: "  fcgisup validate\n  fcgisup validate /etc/fcgisup/fcgisup.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if args[0] == "" {
					return term.Usage(errors.New("validate: FILE is empty"))
				}
				c.Config = args[0]
			}
			cfg, err := c.Load()
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintln(c.Err, w)
			}
			for _, a := range cfg.Apps {
				doctor.WarnOfSandbox(cmd.Context(), c.Err, cfg.Path, a)
			}
			for _, a := range cfg.Apps {
				fmt.Fprintf(c.Out, "%s: app %s: %s on %s\n", cfg.Path, a.Name, term.Plural(a.Instances, "instance"), span(a))
			}
			return nil
		},
	}
}

// span is where an app listens, first to last.
func span(a fcgisup.App) string {
	first, last := a.Instance(1), a.Instance(a.Instances)
	if a.Instances == 1 {
		return first.Address.String()
	}
	return fmt.Sprintf("%s to %s", first.Address, last.Address)
}
