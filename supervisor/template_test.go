package supervisor

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/prefork"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// fakeTemplate is a process that loads for a second, and then does what its test says.
type fakeTemplate struct {
	host *fakeHost
	proc *fakeProcess
	fate string // empty: it is at its first accept; "accepts": without the module; "ends"; "refused"; "barren": it cannot fork
	kept bool
	// outdated tells that the program is another one now.
	outdated bool
	forks    int
}

func (h *fakeHost) Load(l worker.Launch, line func(string), gone func(worker.Exit, bool), said func(prefork.Message)) (worker.Process, worker.Template, error) {
	if h.fates == nil {
		return nil, nil, worker.ErrNoTemplate
	}
	made, err := h.Spawn(l, line, gone)
	if err != nil {
		return nil, nil, err
	}
	t := &fakeTemplate{host: h, proc: made.(*fakeProcess)}
	t.proc.set(worker.Observation{})
	h.mu.Lock()
	t.fate = h.fates(len(h.templates)+1, l)
	h.templates = append(h.templates, t)
	h.mu.Unlock()
	time.AfterFunc(time.Second, func() {
		switch t.fate {
		case "ends":
			t.proc.die(1)
		case "accepts":
			t.proc.set(worker.Observation{Accepting: true})
		default:
			said(prefork.Message{Said: prefork.Loaded, PID: t.proc.PID()})
			said(prefork.Message{Said: prefork.Ready, PID: t.proc.PID()})
		}
	})
	return made, t, nil
}

func (t *fakeTemplate) Inspect(int, []string) string {
	if t.fate == "refused" {
		return "the program is connected to 127.0.0.1:5432"
	}
	return ""
}

func (t *fakeTemplate) Keep() error {
	t.kept = true
	return nil
}

func (t *fakeTemplate) Serve() { t.proc.set(worker.Observation{Accepting: true}) }

func (t *fakeTemplate) Fork(line func(string), gone func(worker.Exit, bool)) (worker.Process, error) {
	if t.fate == "barren" {
		return nil, errors.New("no memory")
	}
	t.forks++
	return t.host.Spawn(worker.Launch{}, line, gone)
}

func (t *fakeTemplate) Changed() bool { return t.outdated }

func (t *fakeTemplate) Close() {}

// preforking runs a pool of three whose templates have these fates.
func preforkBench(t *testing.T, fates func(n int, l worker.Launch) string, change func(*fcgisup.App)) *bench {
	t.Helper()
	return newBench(t, func(a *fcgisup.App, h *fakeHost) {
		a.Activation, a.Workers = fcgisup.Eager, fcgisup.Workers{Min: 3, Max: 3, Prefork: fcgisup.Prefork{Language: fcgisup.PreforkPerl}}
		h.fates = fates
		if change != nil {
			change(a)
		}
	})
}

func always(fate string) func(int, worker.Launch) string {
	return func(int, worker.Launch) string { return fate }
}

// template checks the state of it, and that three workers are there.
func (b *bench) template(t *testing.T, want control.TemplateState, loads int) *control.TemplateStatus {
	t.Helper()
	st := b.after(10 * time.Second)
	b.want(t, st, control.Up, control.Ready, control.Ready, control.Ready)
	if st.Template == nil || st.Template.State != want || len(b.host.templates) != loads {
		t.Fatalf("after %d attempts the template is %+v, want %s after %d", len(b.host.templates), st.Template, want, loads)
	}
	return st.Template
}

func TestThePoolIsForked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := preforkBench(t, always(""), nil)
		pid := b.template(t, control.TemplateReady, 1).PID
		if first := b.host.templates[0]; pid != first.proc.PID() || first.forks != 3 || !first.kept {
			t.Errorf("the template is %d, and %+v", pid, first)
		}
		b.host.last().die(1)
		b.template(t, control.TemplateReady, 1)
		if n := b.host.templates[0].forks; n != 4 {
			t.Errorf("the template has forked %d workers", n)
		}
		b.end(t)
	})
}

func TestWithoutATemplateThePoolIsStarted(t *testing.T) {
	for fate, reason := range map[string]string{
		"accepts": "Perl has not loaded the module: the program runs in taint mode (perl -T), or is not a Perl program",
		"refused": "the program is connected to 127.0.0.1:5432",
	} {
		t.Run(fate, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := preforkBench(t, always(fate), nil)
				if got := b.template(t, control.TemplateFailed, 1).Reason; got != reason {
					t.Errorf("the reason is %q, want %q", got, reason)
				}
				if n := len(b.host.spawns); n != 3 {
					t.Errorf("%d processes were started for three workers", n)
				}
				b.end(t)
			})
		})
	}
}

// A program that cannot start at all is tried without a template next, and the template later, when workers run.
func TestAProgramThatEndsIsStartedWithoutATemplate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := preforkBench(t, func(n int, _ worker.Launch) string {
			if n == 1 {
				return "ends"
			}
			return ""
		}, nil)
		b.template(t, control.TemplateReady, 2)
		b.end(t)
	})
}

// A template that cannot fork is given up after some attempts; each worker that it owes is started as ever.
func TestATemplateThatCannotFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := preforkBench(t, always("barren"), nil)
		for loads := 2; loads <= 3; loads++ { // the last one has not been asked to fork yet
			b.template(t, control.TemplateReady, loads)
			b.slots[0].proc.(*fakeProcess).die(1)
		}
		if got := b.template(t, control.TemplateFailed, 3).Reason; got != "no memory" {
			t.Errorf("the reason is %q", got)
		}
		b.end(t)
	})
}

func TestATemplateThatDiesIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := preforkBench(t, always(""), nil)
		b.template(t, control.TemplateReady, 1)
		b.host.templates[0].proc.gone(worker.Exit{Status: syscall.WaitStatus(syscall.SIGKILL)}, false)
		b.host.mu.Lock()
		b.host.alive--
		b.host.mu.Unlock()
		b.template(t, control.TemplateReady, 2)
		b.end(t)
	})
}

func TestATemplateOfAnotherProgramIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := preforkBench(t, always(""), nil)
		b.template(t, control.TemplateReady, 1)
		b.host.templates[0].outdated = true
		b.host.last().die(1)
		b.template(t, control.TemplateReady, 2)
		b.end(t)
	})
}

// A restart makes a template of its own, and goes back to the former one if that does not come up.
func TestARestartTurnsTheTemplate(t *testing.T) {
	for fate, c := range map[string]struct{ current, loads int }{"": {1, 2}, "ends": {0, 2}} {
		t.Run("fate "+fate, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := worker.Launch{Argv: []string{"/bin/next"}, StopSignal: syscall.SIGTERM}
				b := preforkBench(t, func(_ int, l worker.Launch) string {
					if l.Equal(next) {
						return fate
					}
					return ""
				}, nil)
				before := b.template(t, control.TemplateReady, 1).PID
				b.host.make = func(int) (*fakeProcess, error) {
					p := &fakeProcess{now: worker.Observation{Accepting: fate == ""}}
					if fate != "" {
						p.lives = time.Second
					}
					return p, nil
				}
				reply := make(chan error, 1)
				b.post(func(now time.Time) { b.beginRoll(control.Reload, b.app, next, reply, now) })
				b.after(time.Minute)
				if err := <-reply; (err == nil) != (fate == "") {
					t.Fatalf("the reload ends with %v", err)
				}
				b.host.make = nil
				now := b.template(t, control.TemplateReady, c.loads)
				if want := b.host.templates[c.current].proc.PID(); now.PID != want {
					t.Errorf("the template is %d, want %d; it was %d", now.PID, want, before)
				}
				b.end(t)
			})
		})
	}
}
