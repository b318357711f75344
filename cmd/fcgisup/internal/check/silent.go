package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// pinged reports whether a target may be sent a ping: only a program that its
// supervisor has seen answering one, since others end when they get it.
func (t target) pinged(st *control.Status) bool {
	return st != nil && st.Probe != nil && st.Probe.Ping == control.PingAnswers
}

// askNothing judges a target that is asked neither by a request nor by a ping:
// by its supervisor's word, and by what the kernel shows of its socket.
func (r *checked) askNothing(ctx context.Context, t target, st *control.Status) {
	r.Note = "not known to answer a ping; use --path"
	if st != nil && st.PingUnanswered() {
		r.Note = "answers no ping; use --path"
	}
	if r.askSupervisor(st) {
		return
	}
	if !here(t.request) {
		r.askRemote(ctx, t)
		return
	}
	l, sample, _, err := t.host.Look(t.request.Network, t.request.Address, false)
	switch {
	case peer.NobodyListens(err):
		r.fail(noListener(t.request, err))
		return
	case err != nil:
		r.unknown(err.Error())
		return
	}
	defer l.Close()
	if t.request.Network == "unix" && errors.Is(unix.Access(t.request.Address, unix.W_OK), fs.ErrPermission) {
		r.fail(&fcgi.Error{Class: fcgi.Refused, Err: fmt.Errorf("cannot connect to %s: %w: the mode of the socket or of a directory above it forbids this user", t.request.Address, unix.EACCES)})
		return
	}
	if most, known := sample.Queue.Capacity.Value(); known && sample.QueueErr == nil && sample.Queue.Length > most {
		r.fail(&fcgi.Error{Class: fcgi.Full, Err: errors.New("the accept queue is full")})
		return
	}
	reception, err := t.acceptors.At(l.Inode())
	b := backlogOf(sample)
	switch {
	case err != nil:
		r.unknown(err.Error())
	case reception.Accepts, st != nil && (reception.Hidden || reception.Unclear) && st.State == control.Up:
		r.Note += " (a worker accepts)"
	case st == nil && reception.Sleeps():
		r.sleeps(ctx, t)
	case sample.ConnsErr == nil && b.served > 0:
		r.Note = ""
		r.busy(b)
	default:
		r.unknown(reception.Why())
	}
}

// sleeps is the result for a socket that only systemd holds, unless the service that systemd
// starts for it fails each time.
func (r *checked) sleeps(ctx context.Context, t target) {
	if t.failure != nil {
		if failure := t.failure(ctx); failure != nil {
			r.askSupervisor(&control.Status{State: control.InstanceFailing, LastFailure: failure})
			return
		}
	}
	r.Sleeping = true
}

// askSupervisor judges by the state of a supervised instance, where that is enough.
func (r *checked) askSupervisor(st *control.Status) bool {
	if st == nil {
		return false
	}
	switch st.State {
	case control.InstanceFailing:
		r.Note = ""
		r.err, r.Class, r.code = errors.New("failing"), string(fcgi.Timeout), nagiosCritical
		r.Error = "no worker lives"
		r.explain(st)
	case control.InstanceStarting, control.InstanceStopping:
		r.unknown("no worker is ready: the instance is " + string(st.State))
	default:
		return false
	}
	return true
}

// askRemote connects, and says nothing: more cannot be known of another host.
func (r *checked) askRemote(ctx context.Context, t target) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if err := fcgi.Connect(ctx, t.request.Network, t.request.Address); err != nil {
		r.fail(err)
		return
	}
	r.unknown("it accepts connections; this host cannot see whether a worker does")
}

// noListener returns the error of a connect to an address without a listener.
func noListener(q fcgi.Request, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fcgi.Error{Class: fcgi.Missing, Err: fmt.Errorf("cannot connect to %s: %w", q.Address, unix.ENOENT)}
	}
	return &fcgi.Error{Class: fcgi.Refused, Err: fmt.Errorf("cannot connect to %s: %w", q.Address, unix.ECONNREFUSED)}
}

// fail is the result of an error that a request would have met, too.
func (r *checked) fail(err error) {
	r.Note = ""
	r.err, r.Class, r.Error = err, string(fcgi.ClassOf(err)), err.Error()
	r.code = severity(fcgi.ClassOf(err))
}

func (r *checked) unknown(why string) {
	r.code, r.Note = NagiosUnknown, r.Note+" ("+why+")"
}

// supervisedAt are the supervised instances of the configuration, if there is one,
// by address.
func (k *Checker) supervisedAt() map[fcgisup.Address]fcgisup.Instance {
	all := map[fcgisup.Address]fcgisup.Instance{}
	cfg, err := k.Load()
	if err != nil {
		return all
	}
	for _, app := range cfg.Apps {
		for _, in := range app.Expand() {
			if app.Systemd.Supervise {
				all[in.Address] = in
			}
		}
	}
	return all
}
