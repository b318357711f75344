package main

import (
	"errors"
	"fmt"

	"github.com/fcgisup/fcgisup"
)

// trustHint is how root uses a configuration that others can change.
const trustHint = "--config ./" + fcgisup.LocalConfig + " reads it; only if you trust those who can write it"

// load reads the configuration that applies. A file that cannot be had is a
// usage error: the command cannot know what is meant.
func (c *env) load() (*fcgisup.Config, error) {
	path, skipped, err := fcgisup.Find(c.config, c.getenv)
	if err != nil && skipped != nil {
		return nil, &exitError{code: exitUsage, hint: trustHint, cause: err}
	}
	if skipped != nil {
		fmt.Fprintf(c.err, "fcgisup: %s; reading %s\nhint: %s\n", fcgisup.Printable(skipped.Error()), path, trustHint)
	}
	if errors.Is(err, fcgisup.ErrNoConfig) {
		return nil, &exitError{code: exitUsage, hint: "fcgisup init writes an example; --config names another file", cause: err}
	}
	if err != nil {
		return nil, &exitError{code: exitUsage, hint: "--config names a file", cause: err}
	}
	cfg, err := fcgisup.Load(path)
	var wrong fcgisup.Errors
	if err != nil && !errors.As(err, &wrong) {
		return nil, &exitError{code: exitUsage, hint: "--config names another file; fcgisup init writes an example", cause: err}
	}
	return cfg, err
}

// app picks an app of the configuration; an empty name means the only one.
func app(cfg *fcgisup.Config, name string) (fcgisup.App, error) {
	if name == "" {
		if len(cfg.Apps) == 1 {
			return cfg.Apps[0], nil
		}
		return fcgisup.App{}, usage(fmt.Errorf("%s has %d apps: which one?", cfg.Path, len(cfg.Apps)))
	}
	a, ok := cfg.App(name)
	if !ok {
		return a, usage(fmt.Errorf("%s has no app %q", cfg.Path, name))
	}
	return a, nil
}
