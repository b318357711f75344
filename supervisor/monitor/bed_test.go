package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor/history"
)

// bed is a host made of maps, in virtual time.
type bed struct {
	mu sync.Mutex // what follows
	// supervisors are by control socket; a nil one hangs, an empty one has left its socket behind.
	supervisors map[string][]control.Status
	units       map[string]Unit
	services    map[string]Service
	listErr     error
	lists       int
	restarts    []string
	probes      []string
	// answers are what probes of an instance find; hang is one that times out.
	answers map[string]control.ProbeResult
	traffic map[string]Traffic
	anew    []bool   // of the looks
	stale   []uint64 // whom looks show served that are not again; nil: the same
	log     strings.Builder

	*Monitor
	stop context.CancelFunc
	over chan struct{}
}

func newBed(apps ...fcgisup.App) *bed {
	b := &bed{
		supervisors: map[string][]control.Status{}, units: map[string]Unit{}, services: map[string]Service{},
		answers: map[string]control.ProbeResult{}, traffic: map[string]Traffic{}, over: make(chan struct{}),
	}
	b.Monitor = New(Options{
		Host: "host", Apps: apps, Interval: 5 * time.Second,
		Sockets: b.sockets, Status: b.status, SocketOf: fcgisup.Instance.String, Restart: b.restartOne, Units: b, UnitNames: unitNames,
		Probe: b.probe, Traffic: b.look, Evidence: func(pid int) any { return fmt.Sprint("evidence of ", pid) },
		History: history.New(string(Unknown), ranked...),
		Log:     slog.New(slog.NewTextHandler(b, nil)),
	})
	return b
}

// start runs the monitor until the test ends.
func (b *bed) start() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() {
		b.Run(ctx)
		close(b.over)
	}()
	synctest.Wait()
}

func (b *bed) end() {
	b.stop()
	<-b.over
	synctest.Wait()
}

// Write takes a line of the log.
func (b *bed) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(line)
}

// set changes the host.
func (b *bed) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bed) sockets() ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for path := range b.supervisors {
		all = append(all, path)
	}
	return all, nil
}

func (b *bed) status(ctx context.Context, socket string, _ []fcgisup.App) ([]control.Status, error) {
	b.mu.Lock()
	all, ok := b.supervisors[socket]
	b.mu.Unlock()
	switch {
	case !ok:
		return nil, os.ErrNotExist
	case all == nil:
		<-ctx.Done()
		return nil, ctx.Err()
	case len(all) == 0:
		return nil, syscall.ECONNREFUSED
	}
	return all, nil
}

func (b *bed) restartOne(_ context.Context, socket string, number int) error {
	b.set(func() { b.restarts = append(b.restarts, fmt.Sprint(socket, " ", number)) })
	return nil
}

func unitNames(in fcgisup.Instance) (socket, service string) {
	return in.String() + ".socket", in.String() + ".service"
}

// List is Units'.
func (b *bed) List(context.Context) (map[string]Unit, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lists++
	return maps.Clone(b.units), b.listErr
}

// Result is Units'.
func (b *bed) Result(context.Context, string) (string, error) { return "exit-code", nil }

// Service is Units'.
func (b *bed) Service(_ context.Context, unit string) (Service, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.services[unit]
	s.Unit = b.units[unit]
	return s, nil
}

// TryRestart is Units'; the new process answers well.
func (b *bed) TryRestart(_ context.Context, unit string) error {
	time.Sleep(time.Second)
	b.set(func() {
		b.restarts = append(b.restarts, unit)
		s := b.services[unit]
		s.Began = time.Now()
		s.PID++
		b.services[unit] = s
	})
	return nil
}

// errHangs is an answer that does not come.
var errHangs = errors.New("no answer")

func (b *bed) probe(ctx context.Context, _ fcgisup.App, in fcgisup.Instance) control.ProbeResult {
	b.mu.Lock()
	b.probes = append(b.probes, in.String())
	r := b.answers[in.String()]
	b.mu.Unlock()
	if errors.Is(r.Err, errHangs) {
		<-ctx.Done()
	}
	return r
}

func (b *bed) look(a fcgisup.Address, _ int, anew bool) (Traffic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.anew = append(b.anew, anew)
	t := b.traffic[a.Addr]
	t.At = time.Now()
	if b.stale != nil && !anew {
		t.Serving = b.stale
	}
	return t, nil
}

// of is an instance in the newest report.
func (b *bed) of(t *testing.T, app string, n int) Instance {
	t.Helper()
	r, _ := b.Feed().Latest()
	if r == nil {
		t.Fatal("no report")
	}
	for _, a := range r.Apps {
		for _, i := range a.Instances {
			if a.Name == app && i.Number == n {
				return i
			}
		}
	}
	t.Fatalf("no %s@%d in %+v", app, n, r)
	return Instance{}
}

// wait passes virtual time.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// on is an app that listens on TCP, so that no file matters.
func on(name string, instances, port int) fcgisup.App {
	a := fcgisup.Default(name)
	a.Instances, a.Listen = instances, fcgisup.Listen{Host: "127.0.0.1", Port: port}
	return a
}

// plainApp is one that systemd runs itself.
func plainApp(name string, port int) fcgisup.App {
	a := on(name, 1, port)
	a.Systemd.Supervise = false
	a.Health.Path = "/"
	return a
}

// run puts an instance's units into the states of one that runs.
func (b *bed) run(name string) {
	b.set(func() {
		b.units[name+".socket"], b.units[name+".service"] = connected, connected
		b.services[name+".service"] = Service{PID: 100, Began: time.Now()}
	})
}

// did is what has been done so far.
func (b *bed) did(list *[]string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(*list)
}

func (b *bed) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func (b *bed) listed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lists
}
