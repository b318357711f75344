package term

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// trustHint is how root uses a configuration that others can change.
const trustHint = "--config ./" + fcgisup.LocalConfig + " reads it; use it only if you trust those who can write it"

// Load reads the configuration that applies. A file that cannot be had is a
// usage error: the command cannot know what is meant.
func (c *Env) Load() (*fcgisup.Config, error) {
	path, skipped, err := fcgisup.Find(c.Config, c.Getenv)
	if err != nil && skipped != nil {
		return nil, &ExitError{Code: ExitUsage, Hint: trustHint, Cause: err}
	}
	if skipped != nil {
		fmt.Fprintf(c.Err, "fcgisup: %s; reading %s\nhint: %s\n", fcgisup.Printable(skipped.Error()), path, trustHint)
	}
	if errors.Is(err, fcgisup.ErrNoConfig) {
		return nil, &ExitError{Code: ExitUsage, Hint: "fcgisup init writes an example; --config names another file", Cause: err}
	}
	if err != nil {
		return nil, &ExitError{Code: ExitUsage, Hint: "--config names a file", Cause: err}
	}
	cfg, err := fcgisup.Load(path, c.Variables())
	var wrong fcgisup.Errors
	if err != nil && !errors.As(err, &wrong) {
		return nil, &ExitError{Code: ExitUsage, Hint: "--config names another file; fcgisup init writes an example", Cause: err}
	}
	return cfg, err
}

// PickApp picks an app of the configuration; an empty name means the only one.
func PickApp(cfg *fcgisup.Config, name string) (fcgisup.App, error) {
	if name == "" {
		if len(cfg.Apps) == 1 {
			return cfg.Apps[0], nil
		}
		return fcgisup.App{}, &ExitError{Code: ExitUsage, Hint: appsHint(cfg), Cause: fmt.Errorf("%s has %d apps; --app names one of them", cfg.Path, len(cfg.Apps))}
	}
	a, ok := cfg.App(name)
	if !ok {
		return a, &ExitError{Code: ExitUsage, Hint: cmp.Or(DidYouMean(name, AppNames(cfg.Apps)), appsHint(cfg)), Cause: fmt.Errorf("%s has no app %q", cfg.Path, name)}
	}
	return a, nil
}

// AppNames are the names of apps.
func AppNames(apps []fcgisup.App) []string {
	names := make([]string, len(apps))
	for i, a := range apps {
		names[i] = a.Name
	}
	return names
}

// appsHint lists the apps of a configuration, the first ten.
func appsHint(cfg *fcgisup.Config) string {
	if len(cfg.Apps) == 0 {
		return "the configuration has no apps"
	}
	names := AppNames(cfg.Apps)
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return "the apps are: " + strings.Join(names, ", ")
}

// Variables are those that the configuration may use, nil unless that is asked for.
func (c *Env) Variables() fcgisup.Variables {
	if c.ExpandEnv || c.Getenv(fcgisup.EnvExpand) == "1" {
		return os.LookupEnv
	}
	return nil
}

// ConfiguredApps returns the apps of the configuration, none if it cannot be read: for commands that also work without one.
func (c *Env) ConfiguredApps() []fcgisup.App {
	cfg, err := c.Load()
	if err != nil {
		return nil
	}
	return cfg.Apps
}
