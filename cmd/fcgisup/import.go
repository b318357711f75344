package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/foreign"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// importer is one "fcgisup import".
type importer struct {
	*cli
	name      string
	out       string
	instances int
	changed   func(flag string) bool
}

func (c *cli) importCommand() *cobra.Command {
	i := &importer{cli: c}
	cmd := &cobra.Command{
		Use:   "import FILE... | import -- spawn-fcgi ARGUMENTS...",
		Short: "Convert the configuration of another process manager",
		Long: `import prints a configuration that replaces the given files: [fcgi-program:x] of
supervisord, pools of PHP-FPM, systemd services with their sockets and drop-ins,
scripts and Upstart jobs that call spawn-fcgi; or, after --, a command line of
spawn-fcgi (with multiwatch). Nothing on this host is changed.

Name files that belong together in one command: php-fpm.conf and its pools, a
service and its socket, a script and its file in /etc/default.

For each directive that has no counterpart or another meaning, import prints a
line FILE:LINE: DIRECTIVE: on standard error. It guesses nothing: an app whose
command, socket, user, or number of processes is unknown is left out.

Exit code 0: a configuration was printed; 1: no file had an app that could be
used; 2: a file could not be read.`,
		Example: `  fcgisup import /etc/supervisor/conf.d/*.conf
  fcgisup import /etc/php/8.2/fpm/php-fpm.conf --out fcgisup.yaml
  fcgisup import /etc/systemd/system/rt-fastcgi@.* --instances 5
  fcgisup import -- spawn-fcgi -s /run/hello.sock -F 4 -- /usr/local/bin/hello`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			i.changed = cmd.Flags().Changed
			switch at := cmd.ArgsLenAtDash(); {
			case len(args) == 0:
				return term.Usage(errors.New("import needs files to read, or a command line after --"))
			case at == 0:
				return i.commandLine(args)
			case at > 0:
				return term.Usage(errors.New("import takes files or a command line after --, not both"))
			default:
				return i.files(args)
			}
		},
	}
	cmd.Flags().StringVar(&i.name, "name", "", "`NAME` of the app, if the files have only one (default their own name)")
	cmd.Flags().StringVar(&i.out, "out", "", "`FILE` for the configuration, which must not exist (default standard output)")
	cmd.Flags().IntVar(&i.instances, "instances", 0, "`NUMBER` of instances of a systemd template")
	return cmd
}

func (i *importer) commandLine(argv []string) error {
	o, err := i.options()
	if err != nil {
		return err
	}
	words := make([]string, len(argv))
	for n, word := range argv {
		words[n] = term.ShellWord(word)
	}
	return i.finish(foreign.CommandLine(argv, o), "-- "+strings.Join(words, " "))
}

func (i *importer) files(names []string) error {
	o, err := i.options()
	if err != nil {
		return err
	}
	files := make([]foreign.Source, len(names))
	for n, name := range names {
		if files[n], err = readSource(name); err != nil {
			hint := "name files, for example /etc/supervisor/conf.d/*.conf"
			if errors.Is(err, fs.ErrPermission) {
				hint = "run as root to read it"
			}
			return &term.ExitError{Code: term.ExitUsage, Hint: hint, Cause: err}
		}
	}
	words := make([]string, len(names))
	for n, name := range names {
		words[n] = term.ShellWord(name)
	}
	return i.finish(foreign.Read(files, o), strings.Join(words, " "))
}

// options lends foreign this host's environment and users.
func (i *importer) options() (foreign.Options, error) {
	if i.name != "" {
		if err := fcgisup.CheckName(i.name); err != nil {
			return foreign.Options{}, term.Usage(fmt.Errorf("--name: %w", err))
		}
	}
	if i.instances < 1 && i.changed("instances") || i.instances > fcgisup.MaxInstances {
		return foreign.Options{}, term.Usage(fmt.Errorf("--instances: %d is not between 1 and %d", i.instances, fcgisup.MaxInstances))
	}
	o := foreign.Options{Name: i.name, Instances: i.instances, Look: exec.LookPath, PrimaryGroup: deploy.PrimaryGroup}
	o.Getenv = func(name string) (string, bool) {
		v := i.Getenv(name)
		return v, v != ""
	}
	o.Hostname, _ = os.Hostname() // without one its expansion is noted as not known
	return o, nil
}

func readSource(name string) (foreign.Source, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return foreign.Source{}, fmt.Errorf("cannot resolve the path %s: %w", name, err)
	}
	// Without O_NONBLOCK, open(2) of a pipe without a writer blocks.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return foreign.Source{}, fmt.Errorf("cannot read %s: %w", name, term.CauseOf(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, fcgisup.MaxConfigSize+1))
	if err != nil {
		return foreign.Source{}, fmt.Errorf("cannot read %s: %w", name, term.CauseOf(err))
	}
	if len(data) > fcgisup.MaxConfigSize {
		return foreign.Source{}, fmt.Errorf("cannot read %s: it is larger than 1 MiB", name)
	}
	return foreign.Source{Name: name, Path: path, Data: data}, nil
}

// finish says what is to be said, and prints or writes the configuration.
func (i *importer) finish(res foreign.Result, from string) error {
	for _, n := range res.Notes {
		fmt.Fprintln(i.Err, fcgisup.Printable(n.String())) // it quotes files of others
	}
	if len(res.Text) == 0 {
		return term.Hinted(errors.New("cannot import: no app in the files can be used"), "the lines above name the causes; fcgisup import --help lists what it reads")
	}
	if i.name != "" && len(res.Apps) > 1 {
		return term.Usage(fmt.Errorf("--name names one app, got %d: %s", len(res.Apps), strings.Join(res.Apps, ", ")))
	}
	text := fmt.Appendf(nil, "# Made by: fcgisup import %s\n# Settings without a counterpart were listed on standard error.\n%s", commentLine(from), res.Text)
	if i.out == "" {
		_, err := i.cli.Out.Write(text)
		return err
	}
	return i.write(text, res.Secrets)
}

// commentLine keeps a file's name from ending the comment that it is in.
func commentLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// write makes a new file, of the owner's only if there is a secret in it.
func (i *importer) write(text []byte, secrets bool) error {
	mode := fs.FileMode(0o644)
	if secrets {
		mode = 0o600
	}
	if err := writeNew(i.out, text, mode); errors.Is(err, fs.ErrExist) {
		return term.Hinted(fmt.Errorf("cannot write the configuration: %s exists", i.out), "name another file")
	} else if err != nil {
		return err
	}
	fmt.Fprintf(i.cli.Out, "wrote %s; next: fcgisup validate --config %[1]s, then fcgisup apply --dry-run --config %[1]s\n", i.out)
	if secrets {
		fmt.Fprintf(i.cli.Out, "it has secrets, so only you can read it; let the supervisors read it: chgrp GROUP %s && chmod 640 %[1]s\n", term.ShellWord(i.out))
	}
	return nil
}

// writeNew writes beside and links, so that the file is there whole or not at all, and none is overwritten.
func writeNew(path string, text []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".fcgisup-*")
	if err != nil {
		var hidden *fs.PathError // of the temporary file, whose name means nothing to the user
		if errors.As(err, &hidden) {
			err = fmt.Errorf("%s: %w", path, hidden.Err)
		}
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	defer func() {
		if gone := os.Remove(f.Name()); err == nil {
			err = gone
		}
	}()
	_, err = io.Copy(f, bytes.NewReader(text))
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		return fmt.Errorf("cannot write the configuration: %w", err)
	}
	return nil
}
