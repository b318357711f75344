package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/units"
)

// Source is what gen renders, and how the files say where they come from.
type Source struct {
	Apps []fcgisup.App
	// text is the configuration that has them, empty without one.
	text []byte
	// private says that not everybody may read it.
	private bool
	// Config is the file that the units read, empty for the system's.
	Config string
	// inline is an app without a configuration file.
	inline bool
	// complete is set if these are all apps of the configuration.
	complete bool
	// exposed is why units of these apps would show secrets, nil if they would not.
	exposed error
	// flags follow the app's name in the command that renders its files again.
	flags []string
}

// source finds the apps: those of a command line, of a configuration or of the example.
func (g *Generation) source(names, command []string, changed func(string) bool) (*Source, error) {
	if g.Binary == "" {
		return nil, term.Usage(errors.New("--binary needs a path"))
	}
	if command != nil {
		return g.inlineSource(names, command, changed)
	}
	for _, flag := range InlineNames {
		if changed(flag) {
			return nil, term.Usage(fmt.Errorf("--%s needs -- COMMAND; otherwise the configuration sets it", flag))
		}
	}
	cfg, err := g.Load()
	if errors.Is(err, fcgisup.ErrNoConfig) && !g.Check { // the example is not what is installed
		fmt.Fprintln(g.Err, "fcgisup: no configuration found, so this is the built-in example (fcgisup init writes it)")
		cfg, err = fcgisup.Parse("the built-in example", fcgisup.Example)
	}
	if err != nil {
		return nil, err
	}
	src := &Source{}
	if src.Config, err = g.UnitConfig(); err != nil {
		return nil, err
	}
	return src, g.Choose(src, cfg, names, changed("instances"))
}

// Choose takes the named apps of a configuration, all if there are no names, in the file's order.
func (g *Generation) Choose(src *Source, cfg *fcgisup.Config, names []string, scale bool) error {
	for _, name := range names {
		if _, err := term.PickApp(cfg, name); err != nil {
			return err
		}
	}
	src.complete = len(names) == 0
	wanted := func(a fcgisup.App) bool { return len(names) == 0 || slices.Contains(names, a.Name) }
	if scale {
		var scaled []string
		for _, a := range cfg.Apps {
			if wanted(a) {
				scaled = append(scaled, a.Name)
			}
		}
		if err := cfg.Scale(g.Instances, scaled); err != nil {
			return term.Usage(fmt.Errorf("cannot use --instances %d: %w", g.Instances, err))
		}
		src.flags = append(src.flags, "--instances", strconv.Itoa(g.Instances))
	}
	for _, a := range cfg.Apps {
		if wanted(a) {
			src.Apps = append(src.Apps, WithOwnGroup(a))
		}
	}
	if err := g.Hosts.check(src.Apps); err != nil {
		return err
	}
	if g.Variables() != nil {
		src.flags = append(src.flags, "--expand-env")
	}
	src.text = cfg.Text
	info, err := os.Stat(cfg.Path)
	src.private = err == nil && info.Mode()&0o004 == 0
	src.exposed = exposes(cfg.Path, src.Apps)
	if src.Config != "" {
		src.flags = append(src.flags, "--config", src.Config)
	}
	src.flags = append(src.flags, g.binaryFlag()...)
	return nil
}

// exposes refuses to write values of a configuration that not everybody may read
// into the units of a plain app, which everybody may.
func exposes(config string, apps []fcgisup.App) error {
	info, err := os.Stat(config)
	if err != nil || info.Mode()&0o004 != 0 {
		return nil
	}
	for _, a := range apps {
		if !a.Systemd.Supervise && len(a.Environment) > 0 {
			return &term.ExitError{
				Code: term.ExitUsage, Hint: "move the values to a file of mode 0600 of root, and name it in apps." + a.Name + ".environment_file: systemd reads it as root",
				Cause: fmt.Errorf("cannot make units of %s: without a supervisor (systemd.supervise: false) its environment: would stand in a unit that every user may read, and %s is private", a.Name, config),
			}
		}
	}
	return nil
}

// UnitConfig is the configuration that the units read: one that was
// named, else the system's. A ./fcgisup.yaml that was merely found is a draft.
func (g *Generation) UnitConfig() (string, error) {
	name := g.Config
	if name == "" {
		name = g.Getenv(fcgisup.EnvConfig)
	}
	if name == "" {
		return "", nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return "", fmt.Errorf("cannot resolve the path %s: %w", name, err)
	}
	if path == fcgisup.SystemConfig {
		return "", nil
	}
	return path, nil
}

func (g *Generation) binaryFlag() []string {
	if g.Binary == units.Binary {
		return nil
	}
	return []string{"--binary", g.Binary}
}

// generator is the command that renders one app's files again: the same for
// gen, gen units and gen nginx, with and without --out, so that it is not drift.
// Other web servers and engines have their own, of a kind.
func (s *Source) generator(a fcgisup.App, kind ...string) string {
	argv := slices.Concat([]string{"fcgisup", "gen"}, kind, []string{a.Name}, s.flags)
	if s.inline {
		argv = append(append(argv, "--"), a.Command...)
	}
	return term.ShellWords(argv)
}
