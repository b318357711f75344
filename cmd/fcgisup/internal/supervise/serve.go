package supervise

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/internal/httpserver"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
)

// serve opens what was asked for, and fails before anything runs if that cannot be. A port
// that cannot be had leaves the rest open: a successor goes on with that.
func (r *Runner) serve(ctx context.Context, sup *supervisor.Supervisor, opt supervisor.Options, instances []fcgisup.Instance, metrics http.Handler) error {
	if r.control != "" {
		l, err := listen.Control(r.control)
		switch {
		case err == nil:
			r.listen(ctx, l, r.controls(sup, metrics), controlConnections)
		case len(opt.Resume.Instances) == 0:
			return err
		default:
			r.noControl(ctx, err, r.control, r.controls(sup, metrics))
		}
	}
	var failed error
	if r.metrics != "" {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", metrics)
		mux.Handle("/", control.Pod{Status: sup.FreshStatus, Alive: sup.Alive, Draining: r.draining.Load, Limits: r.source.healthLimits}.Handler())
		failed = r.listenTCP(ctx, r.metrics, mux, metricsConnections)
	}
	if r.http != "" {
		n := FrontConnections(DescriptorLimit(), len(instances)*opt.App.Workers.Max)
		failed = errors.Join(failed, r.listenTCP(ctx, r.http, r.front(opt.App, instances), n))
	}
	return failed
}

// serveControl opens the control socket at its default place.
func (r *Runner) serveControl(ctx context.Context, sup *supervisor.Supervisor, app fcgisup.App, instances []fcgisup.Instance, metrics http.Handler) {
	if r.control != "" {
		return
	}
	path := r.controlPath(app, instances)
	if path == "" {
		return
	}
	l, err := listen.Control(path)
	if err != nil {
		r.noControl(ctx, err, path, r.controls(sup, metrics))
		return
	}
	r.listen(ctx, l, r.controls(sup, metrics), controlConnections)
}

// noControl goes on without it for now: requests matter more than being asked about them.
func (r *Runner) noControl(ctx context.Context, err error, path string, h http.Handler) {
	r.log.Error("cannot create the control socket, trying again", "error", err)
	go r.controlLater(ctx, path, h)
}

// front passes HTTP to the instances with the parameters that nginx would be
// given, as far as they are constants: only nginx has its variables.
func (r *Runner) front(app fcgisup.App, instances []fcgisup.Instance) http.Handler {
	f := &fcgi.Front{ScriptName: strings.TrimSuffix(app.Nginx.Location, "/"), Params: map[string]string{}, Log: r.log}
	for name, v := range app.Nginx.Params {
		switch {
		case strings.Contains(v, "$"):
		case name == "SCRIPT_NAME":
			f.ScriptName = v
		default:
			f.Params[name] = v
		}
	}
	maps.Copy(f.Params, r.params)
	for _, in := range instances {
		f.Backends = append(f.Backends, fcgi.Backend{Network: in.Address.Network, Address: in.Address.Addr})
	}
	return f
}

// controlPause is between attempts to make the control socket. What keeps it
// from being made is a disk without room, most likely, and passes.
const controlPause = 5 * time.Second

// controlLater makes the control socket as soon as that can be done.
func (r *Runner) controlLater(ctx context.Context, path string, h http.Handler) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(controlPause):
		}
		if l, err := listen.Control(path); err == nil {
			r.log.Info("created the control socket", "path", path)
			r.listen(ctx, l, h, controlConnections)
			return
		}
	}
}

func (r *Runner) listenTCP(ctx context.Context, address string, h http.Handler, connections int) error {
	l, err := httpserver.Listen(address)
	if err != nil {
		return err
	}
	r.log.Info("serving", "address", l.Addr().String())
	r.listen(ctx, l, h, connections)
	return nil
}

// httpServer is a server and what it listens on, which it closes itself only once it
// has begun to serve: a socket file would stay.
type httpServer struct {
	*httpserver.Server
	listener net.Listener
}

// listen serves until closeServers, which comes after the end of ctx.
func (r *Runner) listen(ctx context.Context, l net.Listener, h http.Handler, connections int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		_ = l.Close()
		return
	}
	s := httpserver.New(h, httpserver.Limits{Connections: connections}, r.log)
	r.servers = append(r.servers, httpServer{s, l})
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.log.Error("server ended", "address", l.Addr().String(), "error", err)
		}
	}()
}

func (r *Runner) closeServers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.servers {
		_ = s.Close()
		_ = s.listener.Close() // mostly for the second time
	}
	r.servers = nil
}
