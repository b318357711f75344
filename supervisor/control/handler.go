package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ControlName is the control socket's name inside an instance's runtime directory.
const ControlName = "control.sock"

// StatusTimeout bounds the wait for the instances' loops: a status that is a
// little old is better than none.
const StatusTimeout = time.Second

// Supervised is what a control socket controls. Instances are numbers of the app; 0 is all of them.
type Supervised interface {
	// FreshStatus returns the status of instances after a fresh sample of what the kernel knows.
	FreshStatus(ctx context.Context, instance int) []Status
	Restart(ctx context.Context, instance int) error
	Scale(ctx context.Context, instance, workers int) error
	// Reload reads the configuration again; note says what of it is not applied.
	Reload(ctx context.Context) (note string, err error)
}

// ConfigTarget is where a supervisor says which configuration it has read.
const ConfigTarget = "/config"

// ConfigRead is that answer: a sum, for the text may hold secrets.
type ConfigRead struct {
	Sum string `json:"sum"`
}

// Handler is a supervisor's interface for commands: GET /status?instance=N, GET /metrics,
// POST /restart?instance=N, POST /scale?instance=N&workers=W, POST /reload and GET /config;
// without instance it is all of them. It has no authentication
// but the socket's mode: who can connect can restart. config returns false for a
// supervisor that has read no file.
func Handler(s Supervised, metrics http.Handler, config func() (ConfigRead, bool)) http.Handler {
	mux := http.NewServeMux()
	var there []string
	for _, r := range routes(s, metrics, config) {
		there = append(there, r.method+" "+r.path)
		mux.Handle(r.method+" "+r.path, r.handler)
		mux.HandleFunc(r.path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", r.method)
			reply(w, http.StatusMethodNotAllowed, outcome{Error: r.path + " takes " + r.method})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusNotFound, outcome{Error: "there are " + strings.Join(there, ", ")})
	})
	return mux
}

// route is an operation of the interface; docs/control-api.yaml describes each.
type route struct {
	method, path string
	handler      http.Handler
}

func routes(s Supervised, metrics http.Handler, config func() (ConfigRead, bool)) []route {
	c := commands{s}
	return []route{
		{http.MethodGet, "/status", http.HandlerFunc(c.status)},
		{http.MethodGet, "/metrics", metrics},
		{http.MethodGet, ConfigTarget, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			read, ok := config()
			if !ok {
				http.Error(w, "{}", http.StatusNotFound)
				return
			}
			reply(w, http.StatusOK, read)
		})},
		{http.MethodPost, "/restart", http.HandlerFunc(c.restart)},
		{http.MethodPost, "/scale", http.HandlerFunc(c.scale)},
		{http.MethodPost, "/reload", http.HandlerFunc(c.reload)},
	}
}

// commands are the handlers of what is supervised.
type commands struct{ Supervised }

func (c commands) status(w http.ResponseWriter, r *http.Request) {
	instance, err := counted(r, "instance", 0)
	if err != nil {
		reply(w, http.StatusBadRequest, outcome{Error: err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), StatusTimeout)
	defer cancel()
	all := c.FreshStatus(ctx, instance)
	if instance == 0 {
		fitAll(all)
	}
	reply(w, http.StatusOK, all)
}

func (c commands) restart(w http.ResponseWriter, r *http.Request) {
	instance, err := counted(r, "instance", 0)
	if err != nil {
		reply(w, http.StatusBadRequest, outcome{Error: err.Error()})
		return
	}
	finish(w, c.Restart(r.Context(), instance))
}

func (c commands) scale(w http.ResponseWriter, r *http.Request) {
	instance, err1 := counted(r, "instance", 0)
	workers, err2 := counted(r, "workers", -1)
	if workers < 0 && err2 == nil {
		err2 = errors.New("workers is missing")
	}
	if err := errors.Join(err1, err2); err != nil {
		reply(w, http.StatusBadRequest, outcome{Error: err.Error()})
		return
	}
	finish(w, c.Scale(r.Context(), instance, workers))
}

func (c commands) reload(w http.ResponseWriter, r *http.Request) {
	note, err := c.Reload(r.Context())
	if err == nil && note != "" {
		reply(w, http.StatusOK, outcome{Note: note})
		return
	}
	finish(w, err)
}

// counted reads a parameter that is a number from 1.
func counted(r *http.Request, name string, absent int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s must be a number from 1", name)
	}
	return n, nil
}

// outcome is the body of what is not a status; Error is empty for success, which Note
// qualifies.
type outcome struct {
	Error string `json:"error,omitempty"`
	Note  string `json:"note,omitempty"`
}

func finish(w http.ResponseWriter, err error) {
	if err != nil {
		reply(w, http.StatusConflict, outcome{Error: err.Error()})
		return
	}
	reply(w, http.StatusOK, outcome{})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = encoder(w).Encode(body) // the client has gone
}
