package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
)

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented example configuration",
		Long: `init writes a commented example configuration to FILE, ./fcgisup.yaml if none
is named. It never overwrites; "-" is standard output.`,
		Example: "  fcgisup init /etc/fcgisup/fcgisup.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := fcgisup.LocalConfig
			if len(args) == 1 {
				path = args[0]
			}
			if path == "-" {
				_, err := c.out.Write(fcgisup.Example)
				return err
			}
			return c.writeExample(path)
		},
	}
}

func (c *cli) writeExample(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return hinted(fmt.Errorf("cannot write the example: %s exists", path), "name another file, or - for standard output")
	}
	if err != nil {
		return fmt.Errorf("cannot write the example: %w", err)
	}
	_, err = f.Write(fcgisup.Example)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("cannot write the example: %w", err), os.Remove(path))
	}
	fmt.Fprintf(c.out, "wrote %s; edit it, then: fcgisup validate --config %s\n", path, path)
	return nil
}
