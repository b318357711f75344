package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// InlineFlags describe an app that has no configuration.
type InlineFlags struct {
	Listen, User, Group string
	Workers             int
}

// InlineNames are the flags that need -- COMMAND, and their keys in a configuration.
var InlineNames = []string{"listen", "workers", "user", "group"}

// Define adds the flags; user is whose the workers are by default.
func (i *InlineFlags) Define(f *pflag.FlagSet, user string) {
	f.StringVar(&i.Listen, "listen", "", "`ADDRESS`, a path with %i or IP:PORT, with -- COMMAND (default /run/APP%i.sock)")
	f.IntVar(&i.Workers, "workers", 1, "`NUMBER` of processes that share a socket, with -- COMMAND")
	f.StringVar(&i.User, "user", "", "`USER` of the workers, with -- COMMAND (default "+user+")")
	f.StringVar(&i.Group, "group", "", "`GROUP` of the workers, with -- COMMAND (default that of the user)")
}

// inlineSource is the app of a command line. It goes through the configuration's
// own reader, so that the same rules hold.
func (g *Generation) inlineSource(names, command []string, changed func(string) bool) (*Source, error) {
	switch {
	case g.Config != "":
		return nil, term.Usage(errors.New("cannot combine --config with -- COMMAND"))
	case len(command) == 0:
		return nil, term.Usage(errors.New("no command after --"))
	case len(names) > 1:
		return nil, term.Usage(fmt.Errorf("one command is one app, not %s", strings.Join(names, " and ")))
	}
	program, err := AbsoluteProgram(command[0])
	if err != nil {
		return nil, term.Usage(err)
	}
	argv := append([]string{program}, command[1:]...)
	name := AppName(program)
	if len(names) == 1 {
		name = names[0]
	}
	src := &Source{inline: true}
	fields := map[string]any{"command": argv}
	values := map[string]string{
		"listen": g.Inline.Listen, "workers": strconv.Itoa(g.Inline.Workers),
		"user": g.Inline.User, "group": g.Inline.Group, "instances": strconv.Itoa(g.Instances),
	}
	for _, key := range append([]string{"instances"}, InlineNames...) {
		if changed(key) {
			fields[key] = values[key]
			src.flags = append(src.flags, "--"+key, values[key])
		}
	}
	src.flags = append(src.flags, g.binaryFlag()...)
	cfg, err := InlineConfig(name, fields)
	if err != nil {
		return nil, term.Usage(err)
	}
	src.Apps = []fcgisup.App{WithOwnGroup(cfg.Apps[0])}
	return src, nil
}

// InlineConfig is the configuration of one app that the command line describes.
func InlineConfig(name string, fields map[string]any) (*fcgisup.Config, error) {
	if err := fcgisup.CheckName(name); err != nil {
		return nil, fmt.Errorf("the app's name %w", err)
	}
	for _, s := range append(stringsOf(fields), name) {
		if !utf8.ValidString(s) {
			return nil, fmt.Errorf("%q is not UTF-8", s)
		}
	}
	text, err := yaml.Marshal(map[string]any{"apps": map[string]any{name: fields}})
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	cfg, err := fcgisup.Parse("the command line", text)
	var wrong fcgisup.Errors
	if errors.As(err, &wrong) {
		return nil, inlineError(name, wrong[0])
	}
	return cfg, err
}

func stringsOf(fields map[string]any) []string {
	var all []string
	for _, v := range fields {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case []string:
			all = append(all, v...)
		}
	}
	return all
}

// inlineError says of the flag what the reader says of the key.
func inlineError(name string, e *fcgisup.Error) error {
	key, _, _ := strings.Cut(strings.TrimPrefix(e.Key, "apps."+name+"."), ".")
	if strings.HasPrefix(key, "command") {
		return fmt.Errorf("the command %s", e.Msg)
	}
	return fmt.Errorf("--%s: %s", key, e.Msg)
}

// AbsoluteProgram is the program's path: systemd and the supervisor take no other.
func AbsoluteProgram(program string) (string, error) {
	if filepath.IsAbs(program) {
		return program, nil
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", noProgram(program, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("cannot find the command: %w", err)
	}
	return path, nil
}

// noProgram is the error of a command line whose program cannot be executed, with the cause alone.
func noProgram(program string, err error) error {
	hint := "name the program by its path, or install it"
	why := term.CauseOf(err)
	var about *exec.Error
	if errors.As(why, &about) {
		why = about.Err
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &term.ExitError{Code: term.ExitUsage, Hint: hint, Cause: fmt.Errorf("cannot find the command %s: it is not in $PATH", term.ShellWord(program))}
	case errors.Is(err, fs.ErrPermission):
		hint = "name a program that may be executed; chmod +x makes one of a script"
		fallthrough
	default:
		return &term.ExitError{Code: term.ExitUsage, Hint: hint, Cause: fmt.Errorf("cannot execute the command %s: %w", term.ShellWord(program), why)}
	}
}

// Runnable refuses a program that is missing or cannot be executed now: what waits for a program that comes later has a
// configuration.
func Runnable(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return noProgram(program, err)
	}
	return nil
}

// AppName makes a name of a program's: rt-server for /usr/share/rt/rt-server.fcgi.
func AppName(program string) string {
	base, _, _ := strings.Cut(filepath.Base(program), ".")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(base))
	return strings.Trim(name, "-")
}
