package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// fakeHost is an operating system whose workers do what the test says.
type fakeHost struct {
	mu      sync.Mutex
	spawns  []time.Time
	procs   []*fakeProcess
	wake    func(error)
	waiting int
	taken   int
	short   bool          // of memory
	version atomic.Uint64 // of the program
	looks   atomic.Int64  // at it, which may come while a spawn holds the lock
	// files, if set, looks at the program instead; good is what an environment must have for its worker to be ready.
	files func(worker.Launch) worker.Program
	good  string
	// make decides about each spawn; nil spawns a worker that is ready at once.
	make func(n int) (*fakeProcess, error)
	// alive counts processes, to prove that nothing is accepted while there is one.
	alive  int
	broken []string
	// bad is what is wrong with the socket: "shut" or "lost".
	bad                  string
	ownFile, unrenewable bool
	renewals, sockets    int // attempts, and how many were made
	// limits are those that the queue was given, bounded that it can have one.
	limits  []int
	lowered int // by how much a worker has cut the queue with a listen(2) of its own
	bounded bool
	// fates are what becomes of the processes that may become a template; nil: there can be none.
	fates     func(n int, l worker.Launch) string
	templates []*fakeTemplate
	// head counts those who have left the queue of one that is bounded.
	head int
}

type fakeProcess struct {
	host   *fakeHost
	number int
	socket int // the number of its listener
	gone   func(worker.Exit, bool)
	mu     sync.Mutex
	now    worker.Observation
	busy   bool // release finds no moment
	deaf   bool // ignores all but KILL
	rests  bool // its connections are kept alive, nothing more
	halted bool // a signal has stopped it
	asleep bool // it needs no core
	// lives is after what time it ends by itself with status 1; 0: never.
	lives   time.Duration
	dead    bool
	signals []syscall.Signal
}

func (h *fakeHost) Spawn(l worker.Launch, _ func(string), gone func(worker.Exit, bool)) (worker.Process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spawns = append(h.spawns, time.Now())
	p := &fakeProcess{now: worker.Observation{Accepting: true}}
	if h.make != nil && (h.good == "" || !slices.Contains(l.Env, h.good)) {
		made, err := h.make(len(h.spawns))
		if err != nil {
			return nil, err
		}
		p = made
	}
	p.host, p.number, p.gone, p.socket = h, len(h.spawns), gone, h.sockets
	h.procs = append(h.procs, p)
	h.alive++
	if p.lives > 0 {
		time.AfterFunc(p.lives, func() { p.die(1) })
	}
	return p, nil
}

func (h *fakeHost) arm(f func(error)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting > 0 {
		go f(nil)
		return nil
	}
	h.wake = f
	return nil
}

func (h *fakeHost) bounds() bool { return h.bounded }

func (h *fakeHost) limit(n int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limits = append(h.limits, n)
	if n == 0 {
		h.lowered = 0
	}
	return nil
}

func (h *fakeHost) disarm() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake = nil
}

func (h *fakeHost) pending() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.waiting > 0
}

func (h *fakeHost) waiters() (queueListing, error) {
	return queueListing{waiters: h.observe(nil, time.Time{}).Waiters}, nil
}

// observe shows each worker with the connections that its look says.
func (h *fakeHost) observe(workers []liveWorker, _ time.Time) scoreboard.Sample {
	h.mu.Lock()
	sample := scoreboard.Sample{
		Queue:   scoreboard.Queue{Length: h.waiting, Capacity: scoreboard.KnownLimit(16 - h.lowered)},
		Waiters: make([]scoreboard.Waiter, h.waiting),
		Held:    scoreboard.Holdings{By: map[scoreboard.Inode][]int{}},
	}
	for n := range sample.Waiters {
		if h.bounded {
			sample.Waiters[n].Peer = scoreboard.Inode(h.head + n + 1)
		}
	}
	h.mu.Unlock()
	for _, w := range workers {
		pid := w.proc.PID()
		sample.Workers = append(sample.Workers, scoreboard.Worker{ID: w.id, PIDs: []int{pid}})
		l := w.proc.Observe()
		for n := range l.Held + l.Orphans {
			inode := scoreboard.Inode(pid*1000 + n)
			sample.Conns = append(sample.Conns, scoreboard.Conn{Inode: inode, Peer: inode + 1, Gone: n >= l.Held})
			sample.Held.By[inode] = []int{pid}
		}
	}
	return sample
}

func (h *fakeHost) pressed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.short
}

func (h *fakeHost) pressedBy(short bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.short = short
}

func (h *fakeHost) accept() net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.alive > 0 {
		h.broken = append(h.broken, "accepted while a worker lives")
	}
	if h.waiting == 0 {
		return nil
	}
	h.waiting--
	h.taken++
	a, b := net.Pipe()
	_ = b.Close()
	return a
}

func (h *fakeHost) Program(l worker.Launch) worker.Program {
	if h.files != nil {
		return h.files(l)
	}
	h.looks.Add(1)
	return worker.Program{{Path: "/srv/app", Final: worker.FileState{Inode: h.version.Load()}}}
}

// deploy makes the program another one.
func (h *fakeHost) deploy() { h.version.Add(1) }

func (h *fakeHost) Daemonized() (addresses, names []string) { return nil, nil }

func (h *fakeHost) KillDaemonized() []int { return nil }

func (h *fakeHost) retire() bool { return false }

func (h *fakeHost) shut() bool { return h.trouble("shut") != nil }

func (h *fakeHost) lost() (ours bool, err error) { return h.ownFile, h.trouble("lost") }

func (h *fakeHost) trouble(kind string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bad != kind {
		return nil
	}
	return errors.New("the file is gone")
}

// spoil is what happens to the socket.
func (h *fakeHost) spoil(kind string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bad = kind
}

// renewed returns the number of attempts to make a new socket.
func (h *fakeHost) renewed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.renewals
}

func (h *fakeHost) renew() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewals++
	if h.unrenewable {
		return errors.New("the socket is another process's")
	}
	h.bad = ""
	h.sockets++
	return nil
}

// connect puts a connection into the queue.
func (h *fakeHost) connect() {
	h.mu.Lock()
	h.waiting++
	h.mu.Unlock()
	h.connected()
}

// connected tells of a connection that a worker has taken already.
func (h *fakeHost) connected() {
	h.mu.Lock()
	f := h.wake
	h.wake = nil
	h.mu.Unlock()
	if f != nil {
		f(nil)
	}
}

func (h *fakeHost) spawned() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.spawns)
}

func (h *fakeHost) last() *fakeProcess {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.procs[len(h.procs)-1]
}

// nth is the process that was spawned after n others.
func (h *fakeHost) nth(n int) *fakeProcess {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.procs[n]
}

func (p *fakeProcess) PID() int { return 100 + p.number }

func (p *fakeProcess) Lines() []string { return []string{"last words"} }

func (p *fakeProcess) Outdated() bool {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.socket != p.host.sockets
}

func (p *fakeProcess) Sleeps() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asleep
}

func (p *fakeProcess) Suspended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.halted
}

func (p *fakeProcess) halt(halted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halted = halted
}

func (p *fakeProcess) Listening() (addresses, names []string) { return nil, nil }

func (p *fakeProcess) Evidence() []string { return []string{"state S"} }

func (p *fakeProcess) Memory() (uint64, scoreboard.MemoryKind, error) {
	return 1 << 20, scoreboard.PSS, nil
}

func (p *fakeProcess) Resting() map[scoreboard.Inode]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.rests {
		return nil
	}
	return map[scoreboard.Inode]bool{scoreboard.Inode(p.PID() * 1000): true}
}

func (p *fakeProcess) Accepts() bool {
	l := p.Observe()
	return l.Accepting || l.Unknown != ""
}

func (p *fakeProcess) Observe() worker.Observation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *fakeProcess) set(l worker.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = l
}

func (p *fakeProcess) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	p.signals = append(p.signals, sig)
	deaf := p.deaf
	p.mu.Unlock()
	if sig == syscall.SIGKILL || !deaf {
		go p.die(0)
	}
	return nil
}

func (p *fakeProcess) Release(ctx context.Context, sig syscall.Signal) bool {
	p.mu.Lock()
	busy := p.busy
	p.mu.Unlock()
	if busy {
		<-ctx.Done()
		return false
	}
	return p.Signal(sig) == nil
}

// die ends the process with an exit status.
func (p *fakeProcess) die(status int) {
	p.mu.Lock()
	dead := p.dead
	p.dead = true
	p.mu.Unlock()
	if dead {
		return
	}
	p.host.mu.Lock()
	p.host.alive--
	p.host.mu.Unlock()
	p.gone(worker.Exit{Status: syscall.WaitStatus(status << 8)}, false)
}

func (p *fakeProcess) got() []syscall.Signal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.signals)
}

// bench is an instance over a fake host.
type bench struct {
	*instance
	host   *fakeHost
	cancel context.CancelFunc
	mu     sync.Mutex // probe
	probe  func(ctx context.Context) control.ProbeResult
}

// answer sets what probes find from now on.
func (b *bench) answer(f func(ctx context.Context) control.ProbeResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probe = f
}

func (b *bench) asked(ctx context.Context) control.ProbeResult {
	b.mu.Lock()
	f := b.probe
	b.mu.Unlock()
	if f == nil {
		return control.ProbeResult{}
	}
	return f(ctx)
}

// oneInstance is what an instance shares that is alone.
func oneInstance() *common {
	c := newCommon(&Options{})
	c.siblings = 1
	return c
}

func newBench(t *testing.T, change func(*fcgisup.App, *fakeHost)) *bench {
	t.Helper()
	app := fcgisup.Default("rt")
	app.Command = []string{"/bin/true"}
	app.User = ""
	h := &fakeHost{}
	if change != nil {
		change(&app, h)
	}
	b := &bench{host: h}
	opt := &Options{
		App: app,
		Log: slog.New(slog.DiscardHandler),
		Probe: func(ctx context.Context, _ fcgisup.App, _ fcgisup.Instance) control.ProbeResult {
			return b.asked(ctx)
		},
		Unavailable: func(context.Context, net.Conn, time.Duration) error { return nil },
		Output:      func(fcgisup.Instance, string) {},
	}
	launch := worker.Launch{Argv: app.Command, StopSignal: syscall.SIGTERM}
	b.instance = newInstance(app.Instance(1), app, launch, h, opt, oneInstance())
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	go b.run(ctx)
	synctest.Wait()
	return b
}

// long is virtual time in which everything happens that will, but for what a test sets later: by default the slowest timer, of
// attempts to start, is 30 s. An hour of it takes seconds with the race detector.
const long = 10 * time.Minute

// after lets virtual time pass, and everything happen that is due.
func (b *bench) after(d time.Duration) *control.Status {
	time.Sleep(d)
	synctest.Wait()
	return &b.status.Load().Status
}

// end stops the instance and checks that it leaves nothing.
func (b *bench) end(t *testing.T) {
	t.Helper()
	b.cancel()
	<-b.done
	b.host.mu.Lock()
	defer b.host.mu.Unlock()
	if b.host.alive != 0 {
		t.Errorf("%d processes are left", b.host.alive)
	}
	if len(b.host.broken) > 0 {
		t.Error(b.host.broken)
	}
}

func (b *bench) want(t *testing.T, st *control.Status, state control.InstanceState, workers ...control.State) {
	t.Helper()
	var got []control.State
	for _, w := range st.Workers {
		got = append(got, w.State)
	}
	if st.State != state || !slices.Equal(got, workers) {
		t.Fatalf("%s %v, want %s %v", st.State, got, state, workers)
	}
}

func TestSleepsUntilTheFirstConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		st := b.after(time.Hour)
		b.want(t, st, control.Sleeping)
		if n := b.host.spawned(); n != 0 {
			t.Fatalf("%d spawns while asleep", n)
		}
		select {
		case <-b.settled:
		default:
			t.Error("asleep and not settled: systemd would wait for READY")
		}
		b.host.connect()
		b.want(t, b.after(time.Second), control.Up, control.Ready)
		b.end(t)
	})
}

func TestEagerStartsAtOnceWithAllWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Activation, a.Workers = fcgisup.Eager, fcgisup.Workers{Min: 3, Max: 3}
		})
		b.want(t, b.after(time.Second), control.Up, control.Ready, control.Ready, control.Ready)
		b.end(t)
	})
}

func TestCrashIsReplacedAtOnceAndRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, eager)
		b.after(time.Minute)
		b.host.last().die(3)
		st := b.after(10 * time.Millisecond)
		b.want(t, st, control.Up, control.Ready)
		if st.Restarts[control.Crash] != 1 || st.LastFailure == nil {
			t.Fatalf("restarts %v, last failure %v", st.Restarts, st.LastFailure)
		}
		f := *st.LastFailure
		if f.Detail != "exit status 3" || f.Cause != control.Crash || f.PID != 101 || !slices.Equal(f.Output, []string{"last words"}) {
			t.Errorf("last failure %+v", f)
		}
		b.end(t)
	})
}

func eager(a *fcgisup.App, _ *fakeHost) { a.Activation = fcgisup.Eager }

// failingHost has every spawn end before it is ready.
func failingHost(a *fcgisup.App, h *fakeHost) {
	a.Activation = fcgisup.Eager
	h.make = func(int) (*fakeProcess, error) { return &fakeProcess{lives: time.Millisecond}, nil }
}

func TestBackoffGrowsToItsLimitAndNeverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, failingHost)
		st := b.after(2 * time.Hour)
		if st.State != control.InstanceFailing || st.Workers[0].State != control.Failing {
			t.Fatalf("%s, %+v", st.State, st.Workers)
		}
		b.host.mu.Lock()
		spawns := slices.Clone(b.host.spawns)
		b.host.mu.Unlock()
		if n := len(spawns); n < 240 || n > 300 {
			t.Errorf("%d attempts in two hours, want about one each 30 s", n)
		}
		for n := 1; n < len(spawns); n++ {
			gap := spawns[n].Sub(spawns[n-1])
			want := delay(b.app.Restart, n)
			if gap < want*9/10 || gap > want+10*time.Millisecond {
				t.Fatalf("attempt %d came after %s, want %s less at most a tenth", n+1, gap, want)
			}
		}
		b.host.mu.Lock()
		b.host.make = nil // it works now
		b.host.mu.Unlock()
		b.want(t, b.after(31*time.Second), control.Up, control.Ready)
		b.end(t)
	})
}

func TestSpawnErrorIsAFailureLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation = fcgisup.Eager
			h.make = func(n int) (*fakeProcess, error) {
				if n < 5 {
					return nil, errors.New("no such file")
				}
				return &fakeProcess{now: worker.Observation{Accepting: true}}, nil
			}
		})
		st := b.after(10 * time.Second)
		b.want(t, st, control.Up, control.Ready)
		if st.Restarts[control.SpawnError] != 4 || st.LastFailure.Detail != "no such file" {
			t.Errorf("%v, %+v", st.Restarts, st.LastFailure)
		}
		b.end(t)
	})
}

func TestStartTimeoutKillsWhatNeverAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deaf *fakeProcess
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation = fcgisup.Eager
			h.make = func(n int) (*fakeProcess, error) {
				p := &fakeProcess{deaf: true, now: worker.Observation{Accepting: n > 1}}
				if n == 1 {
					deaf = p
				}
				return p, nil
			}
		})
		st := b.after(60*time.Second + 40*time.Second)
		b.want(t, st, control.Up, control.Ready)
		if st.Restarts[control.StartTimeout] != 1 {
			t.Errorf("restarts %v", st.Restarts)
		}
		signals := deaf.got()
		if signals[0] != syscall.SIGTERM || signals[len(signals)-1] != syscall.SIGKILL || len(signals) < 10 {
			t.Errorf("signals %v, want TERM every second, then KILL", signals)
		}
		b.end(t)
	})
}

func TestRequestsGet503OnlyAfterQueueTimeoutAndOnlyWhileNothingLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, failingHost)
		b.after(10 * time.Minute) // attempts are 27 to 30 s apart now
		for begun := b.host.spawned(); b.host.spawned() == begun; {
			b.after(100 * time.Millisecond)
		}
		b.host.connect()
		if st := b.after(4900 * time.Millisecond); st.Rejected != 0 {
			t.Fatal("answered before queue_timeout")
		}
		b.host.connect()
		if st := b.after(500 * time.Millisecond); st.Rejected != 1 {
			t.Fatalf("%d answered, want the first only", st.Rejected)
		}
		if st := b.after(5 * time.Second); st.Rejected != 2 {
			t.Fatalf("%d answered, want both", st.Rejected)
		}
		b.end(t) // checks that nothing was accepted while a process lived
	})
}

func TestNo503WhileAWorkerIsStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			h.make = func(int) (*fakeProcess, error) { return &fakeProcess{}, nil }
		})
		b.host.connect()
		if st := b.after(50 * time.Second); st.Rejected != 0 || st.State != control.InstanceStarting {
			t.Fatalf("%d answered in state %s", st.Rejected, st.State)
		}
		b.end(t)
	})
}

func TestStopWaitsForTheGateThenCountsWhatItCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation = fcgisup.Eager
			h.make = func(int) (*fakeProcess, error) {
				return &fakeProcess{busy: true, now: worker.Observation{Held: 1}}, nil
			}
		})
		b.after(time.Second)
		b.cancel()
		p := b.host.last()
		if st := b.after(29 * time.Second); st.State != control.InstanceStopping || len(p.got()) != 0 {
			t.Fatalf("%s, signals %v: a busy worker was signalled before stop_timeout", st.State, p.got())
		}
		<-b.done
		if p.got()[0] != syscall.SIGTERM {
			t.Errorf("signals %v", p.got())
		}
		if st := b.status.Load(); st.Cut != 1 {
			t.Errorf("%d cut, want 1", st.Cut)
		}
	})
}

func TestSecondStopKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation = fcgisup.Eager
			h.make = func(int) (*fakeProcess, error) {
				return &fakeProcess{busy: true, deaf: true, now: worker.Observation{Held: 1}}, nil
			}
		})
		b.after(time.Second)
		b.cancel()
		b.after(time.Second)
		b.post(b.killAll)
		begin := time.Now()
		<-b.done
		if took := time.Since(begin); took > time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestRestartIsReplacementFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation, a.Workers = fcgisup.Eager, fcgisup.Workers{Min: 2, Max: 2}
			h.make = func(n int) (*fakeProcess, error) {
				p := &fakeProcess{now: worker.Observation{Accepting: true}}
				if n > 2 { // replacements need a second
					p.now = worker.Observation{}
					time.AfterFunc(time.Second, func() { p.set(worker.Observation{Accepting: true}) })
				}
				return p, nil
			}
		})
		b.after(time.Second)
		reply := make(chan error, 1)
		b.post(func(now time.Time) { b.beginRoll(control.Operator, b.app, b.launch, reply, now) })
		b.want(t, b.after(500*time.Millisecond), control.Up, control.Ready, control.Ready, control.Starting)
		b.want(t, b.after(time.Second), control.Up, control.Ready, control.Ready, control.Starting) // one is replaced, the next under way
		st := b.after(time.Second)
		b.want(t, st, control.Up, control.Ready, control.Ready)
		if err := <-reply; err != nil || st.Exits[control.Operator] != 2 {
			t.Errorf("%v, restarts %v", err, st.Restarts)
		}
		if st.Workers[0].Generation != 2 || st.Workers[1].Generation != 2 {
			t.Errorf("%+v", st.Workers)
		}
		b.end(t)
	})
}

func TestAbortedRestartLeavesTheOldGenerationServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation, a.Workers = fcgisup.Eager, fcgisup.Workers{Min: 2, Max: 2}
			h.make = func(n int) (*fakeProcess, error) {
				if n == 3 {
					return nil, errors.New("broken release")
				}
				return &fakeProcess{now: worker.Observation{Accepting: true}}, nil
			}
		})
		b.after(time.Second)
		reply := make(chan error, 1)
		broken := worker.Launch{Argv: []string{"/bin/broken"}, StopSignal: syscall.SIGTERM}
		b.post(func(now time.Time) { b.beginRoll(control.Reload, b.app, broken, reply, now) })
		st := b.after(time.Second)
		if err := <-reply; err == nil {
			t.Fatal("no error")
		}
		b.want(t, st, control.Up, control.Ready, control.Ready)
		if st.Workers[0].PID != 101 || st.Workers[1].PID != 102 {
			t.Errorf("%+v: the old ones were replaced", st.Workers)
		}
		b.host.last().die(1) // a crash later is replaced by what worked
		b.after(time.Second)
		if !slices.Equal(b.slots[0].launch.Argv, []string{"/bin/true"}) || !slices.Equal(b.slots[1].launch.Argv, []string{"/bin/true"}) {
			t.Error("the broken release has stayed")
		}
		b.end(t)
	})
}

// asked is an eager app that is probed by requests.
func asked(a *fcgisup.App, _ *fakeHost) {
	a.Activation = fcgisup.Eager
	a.Health.Path = "/"
}

func TestProbeIsSkippedWhileEveryWorkerIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asked)
		var asked atomic.Int32
		b.answer(func(context.Context) control.ProbeResult { asked.Add(1); return control.ProbeResult{} })
		b.after(time.Second)
		b.host.last().set(worker.Observation{Held: 1})
		b.host.connected()
		st := b.after(time.Minute)
		if asked.Load() != 0 || st.Probe == nil || st.Probe.Skipped == "" || !st.Probe.OK {
			t.Fatalf("%d probes, %+v", asked.Load(), st.Probe)
		}
		b.host.last().set(worker.Observation{Accepting: true})
		if b.after(15 * time.Second); asked.Load() == 0 {
			t.Error("no probe of an idle worker")
		}
		b.end(t)
	})
}

func TestProbeThatWaitsBehindRequestsIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asked)
		b.answer(func(ctx context.Context) control.ProbeResult {
			b.host.last().set(worker.Observation{Held: 1}) // a request came first
			b.host.connected()
			<-ctx.Done()
			return control.ProbeResult{Err: ctx.Err(), Class: fcgisup.ProbeTimeout}
		})
		b.after(time.Second)
		for range 20 {
			b.after(15 * time.Second) // each probe takes 5 s and comes 10 s after the last
			b.host.last().set(worker.Observation{Accepting: true})
		}
		if st := b.after(0); st.Restarts[control.Probe] != 0 || b.host.spawned() != 1 {
			t.Errorf("a busy worker was replaced: %v", st.Restarts)
		}
		b.end(t)
	})
}

func TestWorkerThatDoesNotAnswerIsReplacedAfterSomeFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asked)
		b.answer(func(ctx context.Context) control.ProbeResult {
			if b.host.spawned() > 1 {
				return control.ProbeResult{}
			}
			b.host.last().set(worker.Observation{Held: 1}) // it takes the probe and sits on it
			b.host.connected()
			<-ctx.Done()
			b.host.last().set(worker.Observation{Orphans: 1})
			return control.ProbeResult{Err: ctx.Err(), Class: fcgisup.ProbeTimeout}
		})
		b.host.last().set(worker.Observation{Accepting: true})
		st := b.after(40 * time.Second)
		if st.Restarts[control.Probe] != 0 || st.Probe.Failures != 2 {
			t.Fatalf("after two failures: restarts %v, %+v", st.Restarts, st.Probe)
		}
		st = b.after(10 * time.Second)
		b.want(t, st, control.Up, control.Ready)
		if st.Restarts[control.Probe] != 1 || b.host.spawned() != 2 || st.LastFailure.Cause != control.Probe {
			t.Errorf("restarts %v, %+v", st.Restarts, st.LastFailure)
		}
		b.end(t)
	})
}

func TestWrongAnswersReplaceGently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asked)
		b.answer(func(context.Context) control.ProbeResult {
			if b.host.spawned() > 1 {
				return control.ProbeResult{Status: 200}
			}
			return control.ProbeResult{Err: errors.New("status 500"), Class: "status", Status: 500}
		})
		st := b.after(time.Minute)
		b.want(t, st, control.Up, control.Ready)
		if st.Restarts[control.Probe] != 1 || b.host.spawned() != 2 || st.ProbeFailures["status"] != 3 {
			t.Errorf("restarts %v, %d spawns, failures %v", st.Restarts, b.host.spawned(), st.ProbeFailures)
		}
		b.end(t)
	})
}

func TestAnIdleInstanceDoesNotWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) {
			a.Activation = fcgisup.Eager
			a.Health.Interval = 0
		})
		b.after(time.Second)
		done := make(chan time.Time, 1)
		b.post(func(time.Time) { done <- b.nextDue() })
		if next := <-done; !next.IsZero() {
			t.Errorf("the loop would wake up at %s for nothing", next)
		}
		b.end(t)
	})
}

func TestPollingWorkerIsAskedBeforeItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Activation = fcgisup.Eager
			a.Health.Interval, a.Health.Path = 0, "/"
			h.make = func(int) (*fakeProcess, error) { return &fakeProcess{now: worker.Observation{Polling: true}}, nil }
		})
		b.answer(func(context.Context) control.ProbeResult {
			return control.ProbeResult{Err: errors.New("no"), Class: fcgisup.ProbeTimeout}
		})
		b.want(t, b.after(20*time.Second), control.InstanceStarting, control.Starting)
		b.answer(func(context.Context) control.ProbeResult { return control.ProbeResult{} })
		b.want(t, b.after(10*time.Second), control.Up, control.Ready)
		b.end(t)
	})
}

// TestReadinessIsEarned: a worker that cannot be looked at for now, as while it execs from a slow disk, or that was once
// seen waiting for something, is not ready: it would be stuck as soon as requests wait.
func TestReadinessIsEarned(t *testing.T) {
	for name, looks := range map[string][]worker.Observation{
		"blocked":      {{Unknown: "blocked", Blocked: true}},
		"polling once": {{Polling: true}, {}},
		"denied once":  {{Unknown: "denied"}, {}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
					a.Activation = fcgisup.Eager
					a.Health.Interval, a.Health.Failures = 200*time.Millisecond, 2
					h.waiting = 1
					h.make = func(int) (*fakeProcess, error) { return &fakeProcess{now: looks[0]}, nil }
				})
				for n := range 40 {
					b.host.last().set(looks[n%len(looks)])
					b.want(t, b.after(100*time.Millisecond), control.InstanceStarting, control.Starting)
				}
				if b.host.spawned() != 1 {
					t.Errorf("%d workers were started", b.host.spawned())
				}
				b.host.last().set(worker.Observation{Accepting: true})
				b.want(t, b.after(time.Second), control.Up, control.Ready)
				b.end(t)
			})
		})
	}
}

func TestReloadAppliesWhatConcernsNoProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) { a.Health.Interval = 0 })
		changed := b.app
		changed.Activation = fcgisup.Eager
		changed.Workers = fcgisup.Workers{Min: 2, Max: 2}
		changed.Health.Interval = 5 * time.Second
		changed.Limits.MaxAge = time.Hour
		b.post(func(now time.Time) { b.configure(changed, now) })
		b.want(t, b.after(time.Second), control.Up, control.Ready, control.Ready)
		if st := b.after(10 * time.Second); st.Probe == nil || b.host.spawned() != 2 {
			t.Errorf("probe %v, %d spawns", st.Probe, b.host.spawned())
		}
		if st := b.after(2 * time.Hour); st.Exits[control.Age] == 0 {
			t.Error("max_age came to nothing")
		}
		b.end(t)
	})
}

// TestOneRequestPerProcess is a program that serves the client that waits and ends, too
// fast to be seen: a normal life, not a failure to start.
func TestOneRequestPerProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			a.Health.Interval = 0
			h.make = func(int) (*fakeProcess, error) {
				p := &fakeProcess{}
				time.AfterFunc(time.Millisecond, func() {
					h.mu.Lock()
					served := h.waiting > 0
					if served {
						h.waiting--
					}
					h.mu.Unlock()
					if served {
						p.die(0)
					} else {
						p.set(worker.Observation{Accepting: true})
					}
				})
				return p, nil
			}
		})
		b.host.mu.Lock()
		b.host.waiting = 19
		b.host.mu.Unlock()
		b.host.connect()
		st := b.after(10 * time.Second)
		if st.Exits[control.Finished] < 15 || st.Restarts[control.Crash] > 1 {
			t.Errorf("restarts %v, want about one finished for each request", st.Restarts)
		}
		b.end(t)
	})
}
