package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// failed lets a program fail for long: the waits are max_delay by then.
func failed(t *testing.T, changes ...func(*fcgisup.App, *fakeHost)) *bench {
	t.Helper()
	b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
		failingHost(a, h)
		for _, change := range changes {
			change(a, h)
		}
	})
	st := b.after(long)
	if st.State != control.InstanceFailing || time.Until(*st.Workers[0].Next) > 30*time.Second {
		t.Fatalf("after %s: %s, %+v", long, st.State, st.Workers[0])
	}
	for time.Until(*b.status.Load().Workers[0].Next) < 20*time.Second { // the wait has just begun
		b.after(time.Second)
	}
	return b
}

// fail has workers fail again, those that live now first.
func (h *fakeHost) fail() {
	h.mu.Lock()
	h.make = func(int) (*fakeProcess, error) { return &fakeProcess{lives: time.Millisecond}, nil }
	last := h.procs[len(h.procs)-1]
	h.mu.Unlock()
	last.die(1)
}

// fix has the next attempts succeed.
func (h *fakeHost) fix() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.make = nil
}

func TestMendedProgramIsTriedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := failed(t, func(a *fcgisup.App, _ *fakeHost) { a.Workers = fcgisup.Workers{Min: 2, Max: 2} })
		b.host.fix()
		b.host.deploy()
		b.want(t, b.after(programEvery+50*time.Millisecond), control.Up, control.Ready, control.Ready)
		b.end(t)
	})
}

// What a program needs beside its files is waited for as before.
func TestUnchangedProgramWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := failed(t)
		b.host.fix()
		next := *b.status.Load().Workers[0].Next
		b.want(t, b.after(time.Until(next)-time.Second), control.InstanceFailing, control.Failing)
		b.want(t, b.after(2*time.Second), control.Up, control.Ready)
		b.end(t)
	})
}

func TestProgramIsLookedAtOnlyWhileAWorkerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := func(b *bench) int { return int(b.host.looks.Load()) }
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) { a.Limits.IdleTimeout = time.Minute })
		b.after(time.Hour)
		b.host.connected()
		b.want(t, b.after(time.Hour), control.Sleeping)
		_ = b.do(t.Context(), func(time.Time) {
			if !(programPolicy{b.instance}).next().IsZero() {
				t.Error("it is about to look while nothing waits")
			}
		})
		if n := looks(b); n != 1 {
			t.Errorf("%d looks at a program that was spawned once", n)
		}
		b.end(t)

		b = failed(t)
		before, spawned := looks(b), b.host.spawned()
		b.after(time.Minute)
		if n := looks(b) - before - (b.host.spawned() - spawned); n < 50 || n > 60 {
			t.Errorf("%d looks in a minute of waiting", n)
		}
		b.end(t)
	})
}

// A deployment's first file ends the wait; for those that follow there are short waits again.
func TestChangeThatHoldsStillIsCountedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := failed(t)
		before := b.host.spawned()
		b.host.deploy()
		b.after(10 * time.Second)
		if n := b.host.spawned() - before; n < 7 || n > 9 { // at 1 s; then at 2 s and .1, .3, .7, 1.5, 3.1, 6.3 s after it
			t.Errorf("%d attempts in 10 s after a change", n)
		}
		b.host.fix()
		b.want(t, b.after(10*time.Second), control.Up, control.Ready)
		b.end(t)
	})
}

// What changes forever is not a deployment: after some early attempts it waits for its turn, about each 28 s.
func TestProgramThatNeverHoldsStillIsNoHotLoop(t *testing.T) {
	for name, test := range map[string]struct {
		every   time.Duration
		atLeast int
		atMost  int
	}{
		"each second":        {time.Second, 19, 30},
		"with each attempt":  {0, 19, 30},
		"each three seconds": {3 * time.Second, 19, 60},  // it is forgiven twice,
		"each ten seconds":   {10 * time.Second, 19, 80}, // four times
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := failed(t, func(_ *fcgisup.App, h *fakeHost) {
					if test.every > 0 {
						return
					}
					h.make = func(int) (*fakeProcess, error) {
						h.version.Add(1)
						return &fakeProcess{lives: time.Millisecond}, nil
					}
				})
				before, attempt := b.host.spawned(), b.status.Load().Workers[0].Attempt
				for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
					b.after(max(test.every, time.Second))
					if test.every > 0 {
						b.host.deploy()
					}
				}
				st := b.status.Load()
				if n := b.host.spawned() - before; n < test.atLeast || n > test.atMost {
					t.Errorf("%d attempts in ten minutes, want %d to %d", n, test.atLeast, test.atMost)
				}
				if test.every <= time.Second && st.Workers[0].Attempt < attempt+test.atLeast {
					t.Errorf("its failures were forgiven: attempt %d, %d before", st.Workers[0].Attempt, attempt)
				}
				b.end(t)
			})
		})
	}
}

// A file that each attempt writes holds still between two of them, which forgives nothing.
func TestProgramThatWritesItsOwnFileIsNotForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation = fcgisup.Eager
			h.make = func(int) (*fakeProcess, error) {
				h.version.Add(1)
				return &fakeProcess{lives: time.Millisecond}, nil
			}
		})
		st := b.after(10 * time.Minute)
		if n := b.host.spawned(); n > 40 || st.Workers[0].Attempt < n-1 {
			t.Errorf("%d attempts in ten minutes, and the last was number %d", n, st.Workers[0].Attempt)
		}
		b.end(t)
	})
}

// TestGapEnds: what never held still and does so at last is a program like any other.
func TestGapEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := failed(t)
		noise := func() {
			for range 600 {
				b.host.deploy()
				b.after(time.Second)
			}
		}
		noise()
		b.host.fix()
		b.want(t, b.after(31*time.Second), control.Up, control.Ready) // by a regular attempt at the latest

		b.host.fail()
		b.after(long)
		b.host.fix()
		b.host.deploy()
		b.want(t, b.after(programEvery+50*time.Millisecond), control.Up, control.Ready)

		b.host.fail()
		b.after(long)
		noise()
		b.after(time.Minute) // it is forgiven
		b.after(long)
		b.host.fix()
		b.host.deploy()
		b.want(t, b.after(programEvery+50*time.Millisecond), control.Up, control.Ready)
		b.end(t)
	})
}

// TestEnvironmentFileIsReadInShortWaits: whenever it is written, an attempt soon after has what it says.
func TestEnvironmentFileIsReadInShortWaits(t *testing.T) {
	for name, restart := range map[string]fcgisup.Restart{
		"short waits only": {Delay: 100 * time.Millisecond, MaxDelay: 500 * time.Millisecond, Factor: 2},
		"default":          fcgisup.Default("t").Restart,
	} {
		for _, at := range []time.Duration{0, 50, 150, 500, 750, 1400, 1600, 2500, 5000} { // ms
			t.Run(name+", changed at "+(at*time.Millisecond).String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					dir, write := inDirectory(t)
					write("env", "DATABASE=wrong\n")
					b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
						failingHost(a, h)
						a.Activation, a.Restart = fcgisup.Lazy, restart
						a.EnvironmentFile = filepath.Join(dir, "env")
						h.files = worker.ReadProgram
						h.good = "DATABASE=right"
					})
					l, err := worker.NewLaunch(b.app, nil)
					if err != nil {
						t.Fatal(err)
					}
					_ = b.do(t.Context(), func(time.Time) { b.launch = l })
					change := func() { write("env", "DATABASE=right\n") }
					if at == 0 { // while it sleeps
						change()
						change = func() {}
					}
					b.host.connect()
					b.after(at * time.Millisecond)
					change()
					b.want(t, b.after(2500*time.Millisecond), control.Up, control.Ready)
					b.end(t)
				})
			})
		}
	}
}

// TestLookThatNeverEndsHoldsNobodyUp has files on a server that does not answer any more.
func TestLookThatNeverEndsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := make(chan struct{})
		hung := 0
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			failingHost(a, h)
			a.Workers = fcgisup.Workers{Min: 3, Max: 3}
			h.files = func(worker.Launch) worker.Program {
				hung++
				<-dead
				return nil
			}
		})
		b.after(time.Hour)
		answered := false
		_ = b.do(t.Context(), func(time.Time) { answered = true })
		if n := b.host.spawned(); !answered || n < 3*110 || hung != 1 {
			t.Errorf("answered %t, %d attempts, %d looks", answered, n, hung)
		}
		b.host.fix()
		b.want(t, b.after(30*time.Second), control.Up, control.Ready, control.Ready, control.Ready)
		close(dead)
		b.end(t)
	})
}

// A predecessor does not say what its last attempt was made with, so there is one more.
func TestSuccessorTriesOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := failed(t)
		app := b.app
		app.EnvironmentFile = filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(app.EnvironmentFile, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		launch, err := worker.NewLaunch(app, nil)
		if err != nil {
			t.Fatal(err)
		}
		handed := HandedInstance{Awake: true, Want: 1}
		_ = b.do(t.Context(), func(time.Time) {
			m := b.slots[0].m
			handed.Slots = []HandedSlot{{
				State: m.State, Up: m.Up, Attempt: m.Attempt, Since: m.Since, Spawned: m.Spawned, Deadline: m.Deadline,
				Launch: worker.Launch{Argv: app.Command, Dir: app.Directory, StopSignal: app.StopSignal},
			}}
		})
		b.end(t)

		next := &bench{host: &fakeHost{}}
		next.host.version.Store(7)
		opt := *b.opt
		next.instance = newInstance(app.Instance(1), app, launch, next.host, &opt, oneInstance())
		next.restore(handed, nil)
		files := worker.ReadProgram(next.slots[0].launch)
		if !slices.ContainsFunc(files, func(f worker.ProgramFile) bool { return f.Path == app.EnvironmentFile }) {
			t.Error("what a worker is started from is not known any more")
		}
		ctx, cancel := context.WithCancel(t.Context())
		next.cancel = cancel
		go next.run(ctx)
		next.want(t, next.after(programEvery+50*time.Millisecond), control.Up, control.Ready)
		next.end(t)
	})
}

// TestRestartTriesAtOnce: who knows better than the wait.
func TestRestartTriesAtOnce(t *testing.T) {
	for name, ask := range map[string]func(b *bench, reply chan<- error, now time.Time){
		"restart": func(b *bench, reply chan<- error, now time.Time) {
			b.beginRoll(control.Operator, b.app, b.launch, reply, now)
		},
		"reload": func(b *bench, reply chan<- error, now time.Time) {
			l := b.launch
			l.Argv = []string{"/bin/other"}
			b.beginRoll(control.Reload, b.app, l, reply, now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := failed(t)
				reply := make(chan error, 1)
				b.post(func(now time.Time) { ask(b, reply, now) })
				if st := b.after(50 * time.Millisecond); st.State != control.InstanceFailing && st.State != control.InstanceStarting {
					t.Errorf("after a %s in vain: %s", name, st.State)
				}
				if err := <-reply; err == nil {
					t.Errorf("a %s in vain says that it was not", name)
				}
				b.after(long)
				b.host.fix()
				reply = make(chan error, 1)
				b.post(func(now time.Time) { ask(b, reply, now) })
				b.want(t, b.after(50*time.Millisecond), control.Up, control.Ready)
				if err := <-reply; err != nil {
					t.Error(err)
				}
				b.end(t)
			})
		})
	}
}

// inDirectory makes a directory and a function that writes files into it.
func inDirectory(t *testing.T) (dir string, write func(name, text string)) {
	t.Helper()
	dir = t.TempDir()
	write = func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, write
}

// TestReplacedScriptServesSoon has real programs: a broken script that another is renamed over, and one that lacks what
// its environment file says later. The next attempt would be 25 s away.
func TestReplacedScriptServesSoon(t *testing.T) {
	exe := workerPath()
	swap := func(t *testing.T, name, text string) {
		t.Helper()
		next := name + ".next"
		if err := os.WriteFile(next, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, name); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct{ file, broken, good string }{
		"script":           {"app", "#!/bin/sh\nexit 1\n", "#!/bin/sh\nexec " + exe + "\n"},
		"environment file": {"env", "", roleVariable + "=serve\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, write := inDirectory(t)
			write("app", "#!/bin/sh\n[ \"$"+roleVariable+"\" ] || exit 1\nexec "+exe+"\n")
			write("env", roleVariable+"=serve\n")
			write(test.file, test.broken)
			b := run(t, "", atOnce, func(a *fcgisup.App) {
				delete(a.Environment, roleVariable)
				a.Command = []string{filepath.Join(dir, "app")}
				a.EnvironmentFile = filepath.Join(dir, "env")
				a.Restart = fcgisup.Restart{Delay: 25 * time.Second, MaxDelay: 25 * time.Second, Factor: 1}
			})
			b.worker(control.Backoff)
			swap(t, filepath.Join(dir, test.file), test.good)
			begin := time.Now()
			b.ask("hello")
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("it served %v after it was fixed", took)
			}
			if log := b.journal.String(); strings.Count(log, "the program has changed") != 1 || !strings.Contains(log, "file="+filepath.Join(dir, test.file)) {
				t.Error("the log does not say once what has changed")
			}
		})
	}
}

// playWatch is a process without privileges, under systemd, whose environment file is the marked one. It reports whether it
// looks at that, and what comes of making it unreadable.
func playWatch() int {
	name := os.Getenv(markVariable)
	app := roleApp("serve", "/")
	app.EnvironmentFile = name
	l, err := worker.NewLaunch(app, []string{"A=systemd"})
	if err != nil {
		return complain(err)
	}
	p := worker.ReadProgram(l)
	fmt.Println(slices.ContainsFunc(p, func(f worker.ProgramFile) bool { return f.Path == name }), slices.Contains(l.Env, "A=file"))
	if os.Chmod(name, 0) == nil {
		_, err = l.Rebuild()
		fmt.Println(err)
	}
	return 0
}

// TestSecretEnvironmentFile: one that systemd alone may read is not looked at, for what it says could not be read.
func TestSecretEnvironmentFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, and another user")
	}
	for name, test := range map[string]struct {
		owner int
		want  string
	}{
		"root's":               {0, "false false\n"},
		"taken away meanwhile": {65534, "true true\ncannot read the environment file any more: permission denied\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, write := inDirectory(t)
			write("env", "A=file\n")
			file := filepath.Join(dir, "env")
			if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(file, 0o600), os.Chown(file, test.owner, 0)); err != nil {
				t.Fatal(err)
			}
			cmd := inRole("watch", markVariable+"="+file, "INVOCATION_ID=1")
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := cmd.Output()
			if err != nil || string(out) != test.want {
				t.Errorf("%q, %v; want %q", out, err, test.want)
			}
		})
	}
}
