package demo

import (
	"fmt"
	"net/http"
	"net/http/fcgi"
	"os"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

const (
	// WorkerCommand is the hidden command that runs ServeWorker.
	WorkerCommand = "demo-worker"
	demoPIDHeader = "Fcgisup-Demo-Pid"
)

// ServeWorker is the sample FastCGI program of demo: it accepts on its standard input, as any other does.
func ServeWorker() error {
	err := fcgi.Serve(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set(demoPIDHeader, fmt.Sprint(os.Getpid()))
		fmt.Fprintf(w, "worker %d answers %s %s\n", os.Getpid(), r.Method, r.URL.Path)
	}))
	return term.Hinted(fmt.Errorf("cannot serve FastCGI: %w", err), "standard input must be a listening socket; run fcgisup demo")
}
