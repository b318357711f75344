package monitor

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestRefusedAnswers: a supervisor whose answers cannot be read is down after three
// of them, and one that is late, gone or not ours to ask is not.
func TestRefusedAnswers(t *testing.T) {
	failing := []control.Status{{App: "a", Instance: 1, State: control.Up}}
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"too large", errors.New("it has more than it may have"), true},
		{"ends early", io.ErrUnexpectedEOF, true},
		{"late", context.DeadlineExceeded, false},
		{"gone", syscall.ECONNREFUSED, false},
		{"removed", fs.ErrNotExist, false},
		{"denied", fs.ErrPermission, false},
	} {
		m := New(Options{Interval: time.Second, Log: slog.New(slog.DiscardHandler)})
		sock := &controlSocket{path: "s"}
		m.controls["s"] = sock
		m.told(sock, answer{all: failing, at: time.Now()})
		for round := 1; round <= 4; round++ {
			m.told(sock, answer{err: c.err})
			if got := sock.refusal() != ""; got != (c.want && round >= refusedAsDown) {
				t.Errorf("%s, round %d: refused is %v", c.name, round, got)
			}
		}
		for _, v := range m.voices(time.Now()) {
			f := facts{supervised: true, systemd: true, socket: listening, service: connected, status: v.status, silence: v.silence, refused: v.refused}
			if got := judge(f); (got.health == Down && got.why != "") != c.want {
				t.Errorf("%s: %+v", c.name, got)
			}
			f.systemd = false
			if got := judge(f); (got.health == Down && got.why != "") != c.want {
				t.Errorf("%s, without systemd: %+v", c.name, got)
			}
		}
		m.told(sock, answer{all: failing, at: time.Now()})
		if sock.refusal() != "" {
			t.Errorf("%s: one good answer does not end it", c.name)
		}
	}
	if (*controlSocket)(nil).refusal() != "" {
		t.Error("no client is refused")
	}
}

// TestShown: what workers print is for those who show a token.
func TestShown(t *testing.T) {
	st := &control.Status{App: "a", LastFailure: &control.Failure{Detail: "exit status 1", Output: []string{"password=x"}, Evidence: []string{"stack"}}}
	m := New(Options{})
	got := m.shown(st)
	if f := got.LastFailure; f.Output != nil || f.Evidence != nil || f.Detail != "exit status 1" || len(st.LastFailure.Output) != 1 {
		t.Errorf("%+v, %+v", f, st.LastFailure)
	}
	wrong := control.Status{Probe: &control.ProbeStatus{Class: "status", Status: 500, Error: `status 500; stderr: "password=x"`, Answer: "password=x"}}
	if p := m.shown(&wrong).Probe; p.Answer != "" || p.Error != "status (HTTP status 500)" || wrong.Probe.Answer == "" {
		t.Errorf("probe %+v, before %+v", p, wrong.Probe)
	}
	m.opt.Secret = func() bool { return true }
	if got := m.shown(st); got != st {
		t.Errorf("%+v", got.LastFailure)
	}
	if m.shown(nil) != nil || m.shown(&control.Status{}) == nil {
		t.Error("what has not failed")
	}
}
