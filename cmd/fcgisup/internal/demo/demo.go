package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/service"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/show"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/supervise"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/internal/httpserver"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

const (
	demoInstances = 5
	// stepTimeout bounds each step; nothing takes a tenth of it on an idle machine.
	stepTimeout = 20 * time.Second
)

// Demo is the main job on one machine with nothing installed.
type Demo struct {
	*term.Env
	Once    bool
	Address string
	Verbose bool

	sup *supervisor.Supervisor
	app fcgisup.App
	url string
}

// Run shows the tour, and serves until it is interrupted.
func (d *Demo) Run(ctx context.Context) error {
	if _, _, err := net.SplitHostPort(d.Address); err != nil {
		return &term.ExitError{Code: term.ExitUsage, Hint: "fcgisup demo --http 127.0.0.1:8080", Cause: fmt.Errorf("--http: %q is not HOST:PORT", d.Address)}
	}
	ctx, interrupted := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer interrupted()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a closed pipe is an error, not the end: the directory must be removed
	dir, err := os.MkdirTemp("", "fcgisup-demo-")
	if err != nil {
		return fmt.Errorf("cannot create a directory for the sockets: %w", err)
	}
	defer os.RemoveAll(dir)
	if d.app, err = demoApp(dir); err != nil {
		return err
	}
	stop, err := d.begin()
	if err != nil {
		return err
	}
	err = d.tour(ctx)
	if err == nil && !d.Once {
		fmt.Fprintf(d.Out, "\nServing on %s. Press ^C to end.\n", d.url)
		<-ctx.Done()
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, stop())
}

// demoApp runs this very program as the workers' program.
func demoApp(dir string) (fcgisup.App, error) {
	self, err := os.Executable()
	if err != nil {
		return fcgisup.App{}, fmt.Errorf("cannot find this program: %w", err)
	}
	a := fcgisup.Default("demo")
	a.Command = []string{self, WorkerCommand}
	a.User = ""
	a.Instances = demoInstances
	a.Socket.User, a.Socket.Group = "", ""
	a.Health.Path = "/"
	a.Health.Interval = time.Second
	if a.Listen, err = fcgisup.ListenAt(fcgisup.Address{Network: "unix", Addr: filepath.Join(dir, "demo%i.sock")}); err != nil {
		return a, fmt.Errorf("cannot use the temporary directory: %w", err)
	}
	return a, nil
}

// begin starts the supervisor and the HTTP front; stop ends both.
func (d *Demo) begin() (stop func() error, err error) {
	log := slog.New(slog.DiscardHandler)
	if d.Verbose {
		log = service.NewLogger(d.Err, d.Getenv, false)
	}
	sockets := map[fcgisup.Instance]*listen.Socket{}
	front := &fcgi.Front{Log: log}
	for _, in := range d.app.Expand() {
		if sockets[in], err = listen.On(in, d.app.Socket); err != nil {
			delete(sockets, in)
			supervise.CloseSockets(sockets, log)
			return nil, err
		}
		front.Backends = append(front.Backends, fcgi.Backend{Network: in.Address.Network, Address: in.Address.Addr})
	}
	l, err := httpserver.Listen(d.Address)
	if err != nil {
		supervise.CloseSockets(sockets, log)
		return nil, err
	}
	d.url = "http://" + l.Addr().String() + "/"
	spawner := worker.NewSpawner()
	d.sup, err = supervisor.New(supervisor.Options{
		App: d.app, Sockets: sockets, Spawner: spawner, Environ: os.Environ(),
		Probe: peer.Probe, Unavailable: fcgi.Unavailable,
		Output: func(in fcgisup.Instance, line string) { log.Info("output", "instance", in.String(), "line", line) },
		Log:    log,
	})
	if err != nil {
		supervise.CloseSockets(sockets, log)
		return nil, errors.Join(err, l.Close())
	}
	server := httpserver.New(front, httpserver.Limits{Connections: supervise.FrontConnections(supervise.DescriptorLimit(), demoInstances)}, log)
	go func() { _ = server.Serve(l) }() // ends with Close
	// Not the command's context: an interrupt ends the tour first, then the workers.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.sup.Run(ctx) }()
	return func() error {
		err := server.Close()
		cancel()
		err = errors.Join(err, <-ended)
		supervise.CloseSockets(sockets, log)
		spawner.Close()
		return err
	}, nil
}

// tour shows the promises, and fails if one is not kept.
func (d *Demo) tour(ctx context.Context) error {
	d.say("Five sockets listen, no worker runs:")
	if err := d.show(); err != nil {
		return err
	}
	d.say("The first request to %s starts one instance:", d.url)
	first, err := d.get(ctx)
	if err != nil {
		return err
	}
	if err := d.await(ctx, "one instance up", func(up int) bool { return up == 1 }); err != nil {
		return err
	}
	if err := d.show(); err != nil {
		return err
	}
	d.say("Four more requests start the others:")
	for range demoInstances - 1 {
		if _, err := d.get(ctx); err != nil {
			return err
		}
	}
	if err := d.await(ctx, "all instances up", func(up int) bool { return up == demoInstances }); err != nil {
		return err
	}
	if err := d.show(); err != nil {
		return err
	}
	if err := d.killWorker(ctx, first); err != nil {
		return err
	}
	d.say("The upstream for nginx (fcgisup gen nginx):")
	return d.upstream()
}

// killWorker kills a worker and waits for its successor.
func (d *Demo) killWorker(ctx context.Context, pid int) error {
	d.say("kill -9 %d:", pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("cannot kill worker %d: %w", pid, err)
	}
	back := func(up int) bool {
		total := uint64(0)
		for _, st := range d.sup.Snapshot() {
			total += st.Restarts[control.Crash]
		}
		return up == demoInstances && total == 1
	}
	if err := d.await(ctx, "the replacement", back); err != nil {
		return err
	}
	for range demoInstances {
		answered, err := d.get(ctx)
		if err != nil {
			return err
		}
		if answered == pid {
			return fmt.Errorf("worker %d answers after it was killed", pid)
		}
	}
	return d.show()
}

// get requests the page and returns the pid of who answered.
func (d *Demo) get(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	waiting := d.Progress("waiting for the answer")
	defer waiting.Done()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return 0, fmt.Errorf("internal error: %w", err)
	}
	begin := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("cannot get the page: %w", err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, fcgi.MaxAnswer))
	if err != nil {
		return 0, fmt.Errorf("cannot get the page: %w", err)
	}
	pid := 0
	if _, err := fmt.Sscanf(resp.Header.Get(demoPIDHeader), "%d", &pid); err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("cannot get the page: status %s", resp.Status)
	}
	waiting.Done()
	fmt.Fprintf(d.Out, "  GET /  %s in %s: %s\n", resp.Status, time.Since(begin).Round(time.Millisecond), strings.TrimSpace(string(page)))
	return pid, nil
}

func (d *Demo) await(ctx context.Context, what string, done func(up int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	defer d.Progress("waiting for %s", what).Done()
	for {
		up := 0
		for _, st := range d.sup.Snapshot() {
			if st.State == control.Up {
				up++
			}
		}
		if done(up) {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("cannot see %s: %w", what, ctx.Err())
		}
	}
}

func (d *Demo) say(format string, args ...any) {
	fmt.Fprintf(d.Out, "\n"+format+"\n", args...)
}

func (d *Demo) show() error {
	return show.Table(d.Out, d.sup.Snapshot(), time.Now(), d.Screen())
}

func (d *Demo) upstream() error {
	for _, f := range nginx.Render(d.app, nginx.Options{Generator: "fcgisup demo"}) {
		if strings.HasSuffix(f.Path, "-upstream.conf") {
			_, err := d.Out.Write(f.Data)
			return err
		}
	}
	return errors.New("internal error: no upstream was rendered")
}
