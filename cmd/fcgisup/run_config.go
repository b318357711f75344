package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
)

// configTarget is where a supervisor tells which configuration it has read.
const configTarget = "/config"

// configRead is that answer: a sum, for the text may hold secrets.
type configRead struct {
	Sum string `json:"sum"`
}

// controls is what the control socket serves: the supervisor's part, and what only run knows.
func (r *runner) controls(sup *supervisor.Supervisor, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", sup.Control(metrics))
	mux.HandleFunc("GET "+configTarget, func(w http.ResponseWriter, _ *http.Request) {
		said, ok := r.source.read()
		if !ok {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(said)
	})
	return mux
}

// read is of the file's text as it was last found good; an app of the command line has none.
func (s *runSource) read() (configRead, bool) {
	text := s.text.Load()
	if text == nil {
		return configRead{}, false
	}
	cfg, err := fcgisup.Parse("the configuration", *text)
	if err != nil {
		return configRead{}, false
	}
	a, err := app(cfg, s.app)
	if err != nil {
		return configRead{}, false
	}
	sum, err := configSum(a)
	return configRead{sum}, err == nil
}

// configPatience bounds the question to one supervisor: without an answer it is merely reloaded.
const configPatience = 2 * time.Second

// configOf asks a supervisor what it has read; empty when it does not say, as those of before cannot.
func configOf(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, configPatience)
	defer cancel()
	var said configRead
	if err := control(ctx, path, http.MethodGet, configTarget, &said); err != nil {
		return ""
	}
	return said.Sum
}
