package page

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// Source is where reports come from: a [monitor.Feed].
type Source interface {
	// Latest is the newest report, nil before the first, and a channel that is
	// closed once there is a newer one. The report is never changed after.
	Latest() (*monitor.Report, <-chan struct{})
}

// Options are for a host with unusual wishes; the zero value is for all others.
type Options struct {
	// Zone is that of the times shown; nil is the host's own.
	Zone *time.Location
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// MaxStreams bounds the readers that are told at once; 64 if 0. Those beyond
	// get the present state and are sent away to ask again.
	MaxStreams int
	// Heartbeat is the longest silence of a stream; 15 s if 0.
	Heartbeat time.Duration
	// Pace is the least time between two patches; 1 s if 0.
	Pace time.Duration
	// WriteTimeout is how long a reader may take to take what is written; 30 s if 0.
	WriteTimeout time.Duration
	// StaleAfter is the age of a report that is news by itself; 1 min if 0.
	StaleAfter time.Duration
}

func (o Options) withDefaults() Options {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = 64
	}
	for d, standard := range map[*time.Duration]time.Duration{
		&o.Heartbeat: 15 * time.Second, &o.Pace: time.Second, &o.WriteTimeout: 30 * time.Second, &o.StaleAfter: time.Minute,
	} {
		if *d == 0 {
			*d = standard
		}
	}
	return o
}

// Page serves /, /events and /assets/. All its links are relative, so that it
// may be mounted below any directory with [http.StripPrefix].
type Page struct {
	source  Source
	options Options
	assets  assets
	render  renderer
	mux     *http.ServeMux
	slots   chan struct{}

	closing sync.Once
	closed  chan struct{}
}

// New makes the page of a source.
func New(source Source, options Options) *Page {
	options = options.withDefaults()
	p := &Page{
		source: source, options: options, assets: loadAssets(), mux: http.NewServeMux(),
		slots: make(chan struct{}, options.MaxStreams), closed: make(chan struct{}),
	}
	p.render = newRenderer(p.assets, options)
	p.mux.HandleFunc("GET /{$}", p.show)
	p.mux.HandleFunc("GET /events", p.events)
	p.mux.Handle("GET /assets/", p.assets)
	return p
}

// ServeHTTP serves the page, its stream and its assets.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	if header.Get("Content-Security-Policy") == "" {
		header.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	}
	p.mux.ServeHTTP(w, r)
}

// Close ends all streams, present and to come: what [http.Server.RegisterOnShutdown] wants.
func (p *Page) Close() { p.closing.Do(func() { close(p.closed) }) }

func (p *Page) show(w http.ResponseWriter, r *http.Request) {
	v := parseView(r.URL.Query())
	now := p.options.Now()
	report, _ := p.source.Latest()
	seen := p.render.rendering(report, v, now)
	body := p.render.page(seen, v, now)
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept-Encoding")
	status := http.StatusOK
	if seen.missing {
		status = http.StatusNotFound
	}
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
		_, _ = io.WriteString(z, body)                 // a reader that has gone needs no answer
		_ = z.Close()
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func acceptsGzip(r *http.Request) bool {
	for _, coding := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if name == "gzip" {
			return !strings.HasPrefix(strings.ReplaceAll(weight, " ", ""), "q=0") || strings.Trim(weight, "q= 0.") != ""
		}
	}
	return false
}
