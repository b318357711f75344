package check

import (
	"context"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/startup"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// fakeStarter is a systemd with some sockets and services.
type fakeStarter struct {
	services map[string]units.Service
	sockets  []units.SocketUnit
}

func (f fakeStarter) List(context.Context, ...string) ([]units.State, error) {
	var all []units.State
	for name, s := range f.services {
		all = append(all, units.State{Name: name, Active: s.Active, Sub: s.Sub})
	}
	return all, nil
}

func (f fakeStarter) Service(_ context.Context, name string) (units.Service, error) {
	return f.services[name], nil
}

func (f fakeStarter) Sockets(context.Context) ([]units.SocketUnit, error) { return f.sockets, nil }

// TestCheckFailingStarts: a socket whose service fails each time that systemd starts it is not sleeping.
func TestCheckFailingStarts(t *testing.T) {
	t.Parallel()
	again := units.Service{State: units.State{Active: "activating", Sub: "auto-restart"}, Result: "exit-code", Exit: 1, Restarts: 10}
	idle := units.Service{State: units.State{Active: "inactive", Sub: "dead"}, Result: "success"}
	socket := func(name, path string) units.SocketUnit {
		return units.SocketUnit{
			Unit: units.Unit{State: units.State{Name: name + ".socket", Active: "active"}}, Service: name + ".service",
			Listen: []fcgisup.Address{{Network: "unix", Addr: path}},
		}
	}
	k := &Checker{starters: startup.Starters{Systemd: fakeStarter{
		map[string]units.Service{"rt-fastcgi@1.service": again, "rt-fastcgi@2.service": idle, "hand.service": again, "idle.service": idle},
		[]units.SocketUnit{socket("hand", "/run/hand.sock"), socket("idle", "/run/idle.sock")},
	}}}
	instance := func(n int) func(ctx context.Context) *control.Failure {
		return func(ctx context.Context) *control.Failure {
			return k.starters.Of(ctx, fcgisup.Instance{App: "rt", Number: n})
		}
	}
	address := func(path string) func(ctx context.Context) *control.Failure {
		return func(ctx context.Context) *control.Failure {
			return k.starters.At(ctx, fcgisup.Address{Network: "unix", Addr: path})
		}
	}
	for name, test := range map[string]struct {
		failure func(ctx context.Context) *control.Failure
		code    int
		says    string
	}{
		"a failing instance": {instance(1), nagiosCritical, "keeps restarting its service (10 times): exit code 1"},
		"a stopped instance": {instance(2), nagiosOK, "sleeping"},
		"an unknown one":     {instance(3), nagiosOK, "sleeping"},
		"a failing unit":     {address("/run/hand.sock"), nagiosCritical, "journalctl -u hand.service"},
		"a stopped unit":     {address("/run/idle.sock"), nagiosOK, "sleeping"},
		"another address":    {address("/run/other.sock"), nagiosOK, "sleeping"},
	} {
		tg := target{request: fcgi.Request{Network: "unix", Address: "/run/none.sock"}, asleep: func() bool { return true }, failure: test.failure, host: &peer.Surveyor{}}
		if r := tg.ask(t.Context()); r.code != test.code || !strings.Contains(r.text(), test.says) || r.Sleeping != (test.code == nagiosOK) {
			t.Errorf("%s: exit %d, %s", name, r.code, r.text())
		}
	}
}

// TestSleepsWithSystemdOnly: a socket that a supervisor or a worker holds is not asleep by itself.
func TestSleepsWithSystemdOnly(t *testing.T) {
	t.Parallel()
	for want, all := range map[bool][]peer.Reception{
		true:  {{Systemd: true}, {Systemd: true, Hidden: true}},
		false: {{Supervised: true}, {Systemd: true, Supervised: true}, {Systemd: true, Workers: 1}, {Workers: 1}, {Hidden: true}, {}},
	} {
		for _, r := range all {
			if r.Sleeps() != want {
				t.Errorf("%+v sleeps: %t, want %t", r, !want, want)
			}
		}
	}
	if why := (peer.Reception{Supervised: true, Hidden: true}).Why(); !strings.Contains(why, "only a supervisor") {
		t.Error(why)
	}
	// This process holds the socket, and is not systemd.
	path := rawSocket(t, true)
	if k := (&Checker{}); k.heldBySystemd(fcgisup.Address{Network: "unix", Addr: path}) {
		t.Error("systemd holds a test's socket")
	}
}
