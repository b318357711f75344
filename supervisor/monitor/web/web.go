package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// Options are what there is to serve.
type Options struct {
	Feed *monitor.Feed
	// Page serves everything that is not below.
	Page http.Handler
	// Metrics serves /metrics.
	Metrics http.Handler
	// Alerts are how the targets of alerts do, for JSON.
	Alerts func() any
	// Style is the path of the login form's style sheet, which Page serves below
	// /assets/, to anybody.
	Style string
	// Token is the secret that callers present; empty: there is none, and no action.
	// The context ends once it is not the token any more.
	Token func() (token string, valid context.Context)
	// Loopback refuses, without a token, names of hosts that are not this machine's:
	// a site could have its name lead here and read what a browser of this machine sees.
	Loopback bool
	// Restart restarts an instance, or all of an app for number 0.
	Restart func(ctx context.Context, app string, number int) error
	// Fresh is how old a report may be before /healthz complains.
	Fresh time.Duration
}

// Handler serves:
//
//	GET  /healthz           200 while reports are made; needs no token
//	GET  /metrics           Prometheus
//	GET  /api/v1/status     the newest report as JSON; ?app=NAME for one app
//	GET  /api/v1/alerts     how the targets of alerts do
//	POST /api/v1/restart    app=NAME, instance=N or absent for all; only with a token
//	GET, POST /login        the token for a cookie; likewise /?token=TOKEN
//	GET  /assets/           what the page is drawn with; needs no token
//	     /                  the page
//
// The token comes as "Authorization: Bearer TOKEN", or is exchanged for a cookie.
func Handler(o Options) http.Handler {
	s := &server{o}
	open, closed := http.NewServeMux(), http.NewServeMux()
	for _, r := range s.routes() {
		if r.open {
			open.HandleFunc(r.pattern, r.handler)
			continue
		}
		closed.HandleFunc(r.pattern, r.handler)
	}
	closed.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing here")
	})
	closed.Handle("/", o.Page)
	open.Handle("/", s.authorized(closed))
	h := http.NewCrossOriginProtection().Handler(open)
	if o.Loopback {
		h = s.localHost(h)
	}
	return headers(h)
}

type server struct{ Options }

// route is an operation; open ones need no token. docs/monitor-api.yaml describes each.
type route struct {
	pattern string
	open    bool
	handler http.HandlerFunc
}

func (s *server) routes() []route {
	return []route{
		{"GET /healthz", true, s.healthz},
		{"GET /login", true, s.loginForm},
		{"POST /login", true, s.login},
		{"GET /assets/", true, s.Page.ServeHTTP},
		{"GET /metrics", false, s.Metrics.ServeHTTP},
		{"GET /api/v1/status", false, s.status},
		{"GET /api/v1/alerts", false, func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, s.Alerts())
		}},
		{"POST /api/v1/restart", false, s.restart},
	}
}

// maxBody and readTimeout bound what anybody sends; forms are short.
const (
	maxBody     = 64 << 10
	readTimeout = 20 * time.Second
)

// readForm reads it within bounds.
func readForm(w http.ResponseWriter, r *http.Request) error {
	ctl := http.NewResponseController(w)
	_ = ctl.SetReadDeadline(time.Now().Add(readTimeout)) // a recorder has none
	defer func() { _ = ctl.SetReadDeadline(time.Time{}) }()
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	return r.ParseForm()
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	r, _ := s.Feed.Latest()
	switch {
	case r == nil:
		http.Error(w, "no report yet", http.StatusServiceUnavailable)
	case time.Since(r.At) > s.Fresh:
		http.Error(w, "the last report is of "+r.At.Format(time.RFC3339), http.StatusServiceUnavailable)
	default:
		_, _ = w.Write([]byte("ok\n")) // the client has gone
	}
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	report, _ := s.Feed.Latest()
	if report == nil {
		fail(w, http.StatusServiceUnavailable, "no report yet")
		return
	}
	if name := r.URL.Query().Get("app"); name != "" {
		one := *report
		one.Apps = nil
		for _, app := range report.Apps {
			if app.Name == name {
				one.Apps = append(one.Apps, app)
			}
		}
		if one.Apps == nil {
			fail(w, http.StatusNotFound, "there is no such app")
			return
		}
		report = &one
	}
	reply(w, http.StatusOK, report)
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

// failure is the body of an answer that is not 200.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, code int, why string) {
	reply(w, code, failure{why})
}
