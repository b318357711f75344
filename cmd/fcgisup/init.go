package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/recipe"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

func (c *cli) initCommand() *cobra.Command {
	list := false
	cmd := &cobra.Command{
		Use:   "init [NAME] [FILE]",
		Short: "Write a first configuration",
		Long: `init writes a configuration to FILE: that of a known program NAME, or a
commented example. --list shows the known programs. Without FILE it writes the
file of --config or $FCGISUP_CONFIG, else /etc/fcgisup/fcgisup.yaml for root and
./fcgisup.yaml for others; - is standard output. init never overwrites a file.`,
		Example: `  fcgisup init --list
  fcgisup init rt
  fcgisup init ./fcgisup.yaml`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if list {
				return listRecipes(c.Out)
			}
			content, path, err := initFile(args, os.Geteuid() == 0, cmp.Or(c.Config, c.Getenv(fcgisup.EnvConfig)))
			if err != nil {
				return err
			}
			if c.Config != "" && path != c.Config {
				return term.Usage(fmt.Errorf("init writes one file: --config names %s, the argument %s", c.Config, path))
			}
			if path == "-" {
				_, err := c.Out.Write(content)
				return err
			}
			return c.writeInit(path, content)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			var names []cobra.Completion
			for _, r := range recipe.All() {
				names = append(names, described(r.Name, r.Title))
			}
			return names, cobra.ShellCompDirectiveDefault
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "list of the known programs, instead of a file")
	return cmd
}

// initFile returns what init writes and where. A word with a slash, a dot or nothing but "-" is a file, any other a program.
// Without a file it is the configuration that was named, else the usual one.
func initFile(args []string, root bool, named string) (content []byte, path string, err error) {
	content, path = fcgisup.Example, cmp.Or(named, fcgisup.LocalConfig)
	if root && named == "" {
		path = fcgisup.SystemConfig
	}
	if len(args) > 0 && !isFile(args[0]) {
		r, known := recipe.Find(args[0])
		if !known {
			return nil, "", &term.ExitError{Code: term.ExitUsage, Hint: "fcgisup init --list shows the programs; a file is named as ./" + term.ShellWord(args[0]), Cause: fmt.Errorf("no configuration for %q", args[0])}
		}
		content, args = []byte(r.File), args[1:]
	}
	switch len(args) {
	case 0:
		return content, path, nil
	case 1:
		return content, args[0], nil
	}
	return nil, "", term.Usage(fmt.Errorf("init takes one file, got %q and %q", args[0], args[1]))
}

func isFile(word string) bool { return word == "-" || strings.ContainsAny(word, "./") }

func (c *cli) writeInit(path string, content []byte) error {
	if filepath.Clean(path) == fcgisup.SystemConfig {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("cannot write the configuration: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return term.Hinted(fmt.Errorf("cannot write the configuration: %s exists", path), "name another file, or - for standard output")
	}
	if err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("cannot write the configuration: %w", err), os.Remove(path))
	}
	option := ""
	if path != fcgisup.LocalConfig && path != fcgisup.SystemConfig {
		option = " --config " + term.ShellWord(path)
	}
	fmt.Fprintf(c.Out, "wrote %s; edit it, then: fcgisup validate%s\n", path, option)
	return nil
}

// listRecipes prints a line per program that init knows.
func listRecipes(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPROGRAM")
	for _, r := range recipe.All() {
		fmt.Fprintf(t, "%s\t%s\n", r.Name, r.Title)
	}
	return t.Flush()
}
