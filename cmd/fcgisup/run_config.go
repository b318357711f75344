package main

import (
	"context"
	"net/http"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// controls is what the control socket serves.
func (r *runner) controls(sup *supervisor.Supervisor, metrics http.Handler) http.Handler {
	return control.Handler(sup, metrics, r.source.read)
}

// read is of the file's text as it was last found good; an app of the command line has none.
func (s *runSource) read() (control.ConfigRead, bool) {
	text := s.text.Load()
	if text == nil {
		return control.ConfigRead{}, false
	}
	cfg, err := fcgisup.Parse("the configuration", *text)
	if err != nil {
		return control.ConfigRead{}, false
	}
	a, err := app(cfg, s.app)
	if err != nil {
		return control.ConfigRead{}, false
	}
	sum, err := configSum(a)
	return control.ConfigRead{Sum: sum}, err == nil
}

// configPatience bounds the question to one supervisor: without an answer it is merely reloaded.
const configPatience = 2 * time.Second

// configOf asks a supervisor what it has read; empty when it does not say, as those of before cannot.
func configOf(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, configPatience)
	defer cancel()
	var said control.ConfigRead
	if err := askFor(ctx, path, http.MethodGet, control.ConfigTarget, &said); err != nil {
		return ""
	}
	return said.Sum
}
