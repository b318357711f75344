package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/units"
)

// classBusy is the class of a backend that does not answer because it serves others.
const classBusy = "busy"

// backlog of a backend, as its supervisor or the kernel tells: what a probe that
// is not answered may have waited behind.
type backlog struct {
	// served are the connections in flight whose client waits, orphaned those whose
	// client has gone, waiting those in the queue.
	served, orphaned, waiting int
	// at is when it was looked at, or before.
	at time.Time
}

// look tells what a backend is doing, fresh or recently; ok is whether that can be
// known here. The supervisor sees what the kernel tells no other: clients of other
// namespaces.
func (t target) look(ctx context.Context, fresh bool) (backlog, *control.Status, bool) {
	if t.status != nil {
		if told := t.status(ctx, fresh); told.Status != nil {
			st := told.Status
			if st.Address != t.request.Address || st.InFlight == nil || st.Queue == nil {
				return backlog{}, st, false
			}
			b := backlog{served: *st.InFlight, waiting: *st.Queue, at: told.At}
			if st.Orphaned != nil {
				b.orphaned = *st.Orphaned
				b.served -= b.orphaned
			}
			return b, st, true
		}
	}
	if !here(t.request) {
		return backlog{}, nil, false
	}
	l, sample, at, err := t.host.Look(t.request.Network, t.request.Address, fresh)
	if err != nil {
		return backlog{}, nil, false
	}
	defer l.Close()
	if sample.ConnsErr != nil || sample.QueueErr != nil {
		return backlog{}, nil, false
	}
	b := backlogOf(sample)
	b.at = at
	return b, nil, true
}

// backlogOf counts what a look has shown.
func backlogOf(sample scoreboard.Sample) backlog {
	b := backlog{waiting: sample.Queue.Length}
	for _, c := range sample.Conns {
		if c.Gone {
			b.orphaned++
		} else {
			b.served++
		}
	}
	return b
}

// here reports whether an address is certainly one of this host.
func here(r fcgi.Request) bool {
	if r.Network == "unix" {
		return true
	}
	a, err := netip.ParseAddrPort(r.Address)
	return err == nil && a.Addr().IsLoopback()
}

// excuse turns a probe that timed out, or found the queue full, into "busy" if the samples
// before and after it show a client that was served in both: a client that came during the
// probe cannot have kept it waiting, and one in a single sample may be another probe. A first
// sample that is older than the probe by more than peer.Recently shows no client that came
// before it, so the second one decides alone. A client that has gone is not counted.
func (r *checked) excuse(before, after backlog, sent time.Time) {
	if sent.Sub(before.at) > peer.Recently {
		before = after
	}
	switch {
	case before.served > 0 && after.served > 0:
		r.busy(before)
	case after.served == 0 && after.orphaned > 0:
		r.code = nagiosCritical
	}
}

func (r *checked) busy(b backlog) {
	requests, wait := "requests", "wait"
	if b.served == 1 {
		requests = "request"
	}
	if b.waiting == 1 {
		wait = "waits"
	}
	r.Class, r.code = classBusy, nagiosWarning
	r.Error = fmt.Sprintf("%d %s in flight, %d %s", b.served, requests, b.waiting, wait)
}

// asleep reports whether systemd holds an instance's socket and no supervisor runs.
func (k *Checker) asleep(in fcgisup.Instance) bool {
	if peer.HasControl(scoreboard.NewSurvey(), k.supervisors.Root, in) {
		return false
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false
	}
	unit := "/etc/systemd/system/" + units.Names(in.App).ServiceTemplate()
	if _, err := os.Stat(unit); err != nil {
		return false
	}
	return k.heldBySystemd(in.Address)
}

// heldBySystemd reports whether systemd is among those that hold a listener: a socket that
// another process alone holds has no service that the next connection would start. Processes
// that this user cannot look into may be systemd.
func (k *Checker) heldBySystemd(a fcgisup.Address) bool {
	l, _, _, err := k.host.Look(a.Network, a.Addr, false)
	if err != nil {
		return k.listened(a)
	}
	defer l.Close()
	held, err := k.acceptors.At(l.Inode())
	return err != nil || held.Systemd || held.Hidden && held.Workers == 0 && !held.Supervised
}

// listened reports whether some process listens on an address. Where the kernel does
// not say so a socket file must do; without one the probe will tell.
func (k *Checker) listened(a fcgisup.Address) bool {
	l, _, _, err := k.host.Look(a.Network, a.Addr, false)
	if err == nil {
		_ = l.Close()
		return true
	}
	if errors.Is(err, scoreboard.ErrUnsupported) && a.Network == "unix" {
		info, err := os.Stat(a.Addr)
		return err == nil && info.Mode().Type() == os.ModeSocket
	}
	return false
}
