package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/accepted"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/service"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
	"github.com/fcgisup/fcgisup/supervisor/monitor/alert"
	"github.com/fcgisup/fcgisup/supervisor/monitor/page"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// monitorState is where the monitor keeps its history unless systemd says otherwise.
const monitorState = "/var/lib/fcgisup"

// Monitor is one "fcgisup monitor".
type Monitor struct {
	*term.Env
	listen, tokenFile, state string
	interval                 time.Duration
	controls                 []string
	debug                    bool

	log    *slog.Logger
	token  secret
	page   *page.Page
	alerts *alert.Alerter
	mon    *monitor.Monitor
	host   peer.Surveyor
	// evidence is of processes that are about to be restarted.
	evidence scoreboard.Aside[scoreboard.Evidence]
}

// Define adds the flags of "fcgisup monitor" that say how it watches.
func (m *Monitor) Define(f *pflag.FlagSet) {
	f.StringVar(&m.listen, "listen", "", "`ADDRESS` of the page: IP:PORT or a socket path (default 127.0.0.1:9180)")
	f.StringVar(&m.tokenFile, "token-file", "", "`FILE` with the secret that clients must present")
	f.StringVar(&m.state, "state-dir", "", "`DIR` of the history (default $STATE_DIRECTORY, else "+monitorState+")")
	f.DurationVar(&m.interval, "interval", 0, "`DURATION` between two samples of all instances (default 5s)")
	f.StringArrayVar(&m.controls, "control", nil, "`PATH` of an additional control socket, beside those below "+control.Root+"; repeatable")
	f.BoolVar(&m.debug, "debug", false, "log messages for debugging")
}

// Run watches until SIGTERM.
func (m *Monitor) Run(ctx context.Context) error {
	debug.SetGCPercent(service.GCPercent)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	errs := service.NewAsyncWriter(m.Err)
	defer errs.Close()
	m.log = service.NewLogger(errs, m.Getenv, m.debug)
	cfg, missing, err := m.configuration()
	var refused string
	if err != nil {
		var other *fcgisup.Config
		if other, refused = accepted.Instead(m.Env, err, accepted.ByRoot); other == nil {
			return err
		}
		m.log.Warn(refused, "hint", "fix the configuration, then run fcgisup apply")
		cfg = other
	}
	settings, token, err := m.settings(cfg)
	if err != nil {
		return err
	}
	m.token.set(token)
	dir := cmp.Or(m.state, m.Getenv("STATE_DIRECTORY"), monitorState)
	unlock, err := lockState(dir)
	if err != nil {
		return err
	}
	defer unlock()
	opt := m.options(cfg, settings)
	opt.ConfigError = cmp.Or(missing, refused)
	opt.HistoryFile = filepath.Join(dir, "history.json")
	if opt.History, err = monitor.OpenHistory(opt.HistoryFile); err != nil {
		m.log.Error("cannot read history, starting empty", "error", err)
	}
	m.mon = monitor.New(opt)
	m.page = page.New(m.mon.Feed(), page.Options{StaleAfter: fresh(settings)})
	if m.alerts, err = newAlerter(cfg.Alerts, missing != "", filepath.Join(dir, "alerts"), m.log); err != nil {
		return err
	}
	defer m.closeAlerts()
	defer m.serve(settings).close()
	m.log.Info("fcgisup monitors", "version", m.Version(), "address", settings.Listen.String(), "apps", len(cfg.Apps))
	return m.untilStopped(ctx, signals, settings)
}

// untilStopped runs the monitor, and obeys signals.
func (m *Monitor) untilStopped(ctx context.Context, signals <-chan os.Signal, settings fcgisup.Monitor) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	v := service.NewNotifier(m.log)
	ended, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		m.mon.Run(ctx)
	}()
	go func() {
		defer close(told)
		m.tell(ctx, v)
	}()
	go m.observe(ctx)
	for {
		select {
		case <-ended:
			<-told
			return nil
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				m.reload(v, settings)
				continue
			}
			m.log.Info("stopping", "signal", sig.String())
			stop()
			<-told
			v.Notify("STOPPING=1\nSTATUS=stopping")
		}
	}
}

// observe shows every report to the alerts.
func (m *Monitor) observe(ctx context.Context) {
	for {
		report, changed := m.mon.Feed().Latest()
		if report != nil {
			m.alerts.Observe(report, report.At)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// lastWords is how long what is still to be told is tried at the end.
const lastWords = 5 * time.Second

func (m *Monitor) closeAlerts() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := m.alerts.Close(ctx); err != nil {
		m.log.Error("cannot save waiting alerts", "error", err)
	}
}

// configuration is what applies. None at all is not an error: the package installs
// the service before there is one.
func (m *Monitor) configuration() (_ *fcgisup.Config, missing string, err error) {
	if _, _, err := fcgisup.Find(m.Config, m.Getenv); errors.Is(err, fcgisup.ErrNoConfig) {
		return &fcgisup.Config{Monitor: fcgisup.DefaultMonitor(), Alerts: fcgisup.DefaultAlerts()}, err.Error(), nil
	}
	cfg, err := m.LoadHere()
	return cfg, "", err
}

// settings are the file's under monitor:, with what the flags say, and the token.
func (m *Monitor) settings(cfg *fcgisup.Config) (s fcgisup.Monitor, token string, err error) {
	s = cfg.Monitor
	if m.listen != "" {
		a, err := fcgisup.ParseAddress(m.listen)
		if err != nil {
			return s, "", term.Usage(fmt.Errorf("--listen: %w", err))
		}
		s.Listen = a
	}
	if m.interval != 0 {
		if m.interval < time.Second {
			return s, "", term.Usage(errors.New("--interval: must be at least 1s"))
		}
		s.Interval = m.interval
	}
	s.TokenFile = cmp.Or(m.tokenFile, s.TokenFile)
	if s.TokenFile != "" {
		token, err = term.ReadToken(s.TokenFile)
	} else {
		err = needsNone(s.Listen)
	}
	return s, token, err
}

// needsNone refuses an address that other hosts can reach without a token.
func needsNone(a fcgisup.Address) error {
	if a.Local() {
		return nil
	}
	return &term.ExitError{
		Code: term.ExitUsage, Hint: "--token-file FILE (monitor.token_file) names a file with a secret; 127.0.0.1:9180 or a socket path needs none",
		Cause: fmt.Errorf("cannot listen on %s without a token: other hosts can reach it", a),
	}
}

// reload puts the file in force, if it can be.
func (m *Monitor) reload(v *service.Notifier, running fcgisup.Monitor) {
	v.Notify(sdReloading())
	defer v.Notify("READY=1")
	cfg, missing, err := m.configuration()
	if err == nil && missing != "" {
		err = errors.New(missing)
	}
	var settings fcgisup.Monitor
	var token string
	if err == nil {
		settings, token, err = m.settings(cfg)
	}
	if err == nil && token == "" {
		err = needsNone(running.Listen) // that stays until a restart
	}
	if err != nil {
		m.log.Error("reload failed, keeping the previous configuration", "error", err)
		m.mon.Misconfigured(err.Error())
		return
	}
	if settings.Listen != running.Listen || settings.Interval != running.Interval {
		m.log.Warn("changes of monitor.listen and monitor.interval need a restart of the monitor")
	}
	m.token.set(token)
	m.mon.Configure(cfg.Apps)
	m.alerts.Configure(cfg.Alerts)
	m.log.Info("reloaded", "apps", len(cfg.Apps))
}
