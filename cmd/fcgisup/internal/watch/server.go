package watch

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/service"
	"github.com/fcgisup/fcgisup/cmd/internal/httpserver"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/supervisor/monitor/web"
)

const (
	// goodbye is what open requests get at the end.
	goodbye = 2 * time.Second
	// freshIntervals, or at least freshLeast, is how old a report may be for /healthz and the page.
	freshIntervals = 5
	freshLeast     = 30 * time.Second
	// monitorConnections are pages that are open, scrapers and proxies.
	monitorConnections = 256
	monitorHeader      = 32 << 10
)

func fresh(s fcgisup.Monitor) time.Duration { return max(freshIntervals*s.Interval, freshLeast) }

// monitorServer is the monitor's HTTP server. An address that cannot be
// opened is tried again, and alerts are sent meanwhile.
type monitorServer struct {
	*Monitor
	address fcgisup.Address
	handler http.Handler
	stop    context.CancelFunc
	ended   chan struct{}
	// reported is why there is no page, empty if there is one.
	reported string
}

// From firstListenPause to lastListenPause is the pause between attempts to listen.
const (
	firstListenPause = time.Second
	lastListenPause  = time.Minute
)

// serve answers from now on, or as soon as it can listen.
func (m *Monitor) serve(s fcgisup.Monitor) *monitorServer {
	ctx, stop := context.WithCancel(context.Background())
	server := &monitorServer{Monitor: m, address: s.Listen, stop: stop, ended: make(chan struct{})}
	server.handler = web.Handler(web.Options{
		Feed: m.mon.Feed(), Page: m.page, Style: m.page.Stylesheet(), Metrics: m.metrics(),
		Token: m.token.get, Loopback: s.Listen.Network == "tcp" && s.Listen.Local(),
		Alerts:  func() any { return m.alerts.Receivers() },
		Restart: m.mon.Restart, Fresh: fresh(s),
	})
	l, err := listenMonitor(s.Listen)
	if err != nil {
		server.complain(err)
	}
	go func() {
		defer close(server.ended)
		server.keep(ctx, l, err)
	}()
	return server
}

// complain logs why there is no page, each reason once.
func (s *monitorServer) complain(err error) {
	if why := err.Error(); why != s.reported {
		s.reported = why
		s.log.Error("cannot listen for the page, trying again", "error", why, "hint", "--listen (monitor.listen) names another address")
	}
}

// keep serves what listens, and listens again when that has failed, until ctx ends.
func (s *monitorServer) keep(ctx context.Context, l net.Listener, err error) {
	var since time.Time
	for pause := firstListenPause; ; pause = min(2*pause, lastListenPause) {
		if err == nil {
			s.mon.SetPage(ctx, monitor.Page{Address: s.address.String(), Since: time.Now()})
			if s.reported != "" {
				s.log.Info("listening for the page", "address", s.address.String())
			}
			if err = s.until(ctx, l); ctx.Err() != nil {
				return
			}
			s.reported, pause, since = "", firstListenPause, time.Time{}
		}
		if s.complain(err); since.IsZero() {
			since = time.Now()
		}
		s.mon.SetPage(ctx, monitor.Page{Address: s.address.String(), Error: err.Error(), Since: since})
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		l, err = listenMonitor(s.address)
	}
}

// until serves until ctx ends, or serving fails.
func (s *monitorServer) until(ctx context.Context, l net.Listener) error {
	server := httpserver.New(s.handler, httpserver.Limits{Connections: monitorConnections, HeaderBytes: monitorHeader}, s.log)
	server.RegisterOnShutdown(s.page.Close)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return cmp.Or(err, server.Close(), http.ErrServerClosed)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close()
	}
	return nil
}

func (s *monitorServer) close() {
	s.stop()
	<-s.ended
}

func listenMonitor(a fcgisup.Address) (net.Listener, error) {
	if a.Network == "unix" {
		return listen.Control(a.Addr)
	}
	return httpserver.Listen(a.Addr)
}

func (m *Monitor) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(service.BuildInfo(m.Version()), m.mon.Collector(), m.alerts)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
