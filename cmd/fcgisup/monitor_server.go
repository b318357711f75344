package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/internal/httpserver"
	"github.com/fcgisup/fcgisup/supervisor"
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

// monitorServer is the monitor's HTTP server.
type monitorServer struct{ *httpserver.Server }

// serve listens, and answers from then on.
func (m *monitoring) serve(s fcgisup.Monitor) (monitorServer, error) {
	l, err := listenMonitor(s.Listen)
	if err != nil {
		return monitorServer{}, err
	}
	server := monitorServer{httpserver.New(web.Handler(web.Options{
		Feed: m.mon.Feed(), Page: m.page, Style: m.page.Stylesheet(), Metrics: m.metrics(),
		Token: m.token.get, Loopback: s.Listen.Network == "tcp" && s.Listen.Local(),
		Alerts:  func() any { return m.alerts.Targets() },
		Restart: m.mon.Restart, Fresh: fresh(s),
	}), httpserver.Limits{Connections: monitorConnections, HeaderBytes: monitorHeader}, m.log)}
	server.RegisterOnShutdown(m.page.Close)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("server ended", "address", l.Addr().String(), "error", err)
		}
	}()
	return server, nil
}

func listenMonitor(a fcgisup.Address) (net.Listener, error) {
	if a.Network == "unix" {
		return supervisor.ListenControl(a.Addr)
	}
	l, err := net.Listen("tcp", a.Addr)
	if err != nil {
		return nil, hinted(err, "--listen (monitor.listen) names another address")
	}
	return l, nil
}

func (s monitorServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		_ = s.Close()
	}
}

func (m *monitoring) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(buildInfo(), m.mon.Collector(), m.alerts)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

func buildInfo() prometheus.Collector {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "fcgisup_build_info",
		Help:        "1, with the version in the labels.",
		ConstLabels: prometheus.Labels{"version": versionText(), "goversion": runtime.Version()},
	})
	build.Set(1)
	return build
}
