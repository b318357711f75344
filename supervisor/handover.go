package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// HandoverVersion is the form of Handover; a program takes over only its own.
const HandoverVersion = 1

// Handover is what a supervisor hands to its successor in the same process: after
// execve(2) the children are still its children, and the descriptors named here
// are still open.
type Handover struct {
	Version   int
	Instances []HandedInstance
}

// HandedInstance is one instance. What is sampled is not kept: it is seen again.
type HandedInstance struct {
	Number      int
	Socket      int               // descriptor
	Bound       *listen.BoundFile // nil for an inherited socket
	Awake       bool
	Slept       bool
	Want        int
	Generation  int
	Slots       []HandedSlot
	Restarts    map[control.Cause]uint64
	ProbeFails  map[fcgisup.ProbeClass]uint64
	Scaled      map[control.Direction]uint64
	LastFailure *control.Failure
	Cut         uint64
	Rejected    uint64
	// QueueLimited is 0 from a program that did not limit queues.
	QueueLimited uint64
	// Ping is what is known of pings and the program that Launch starts, asked at PingAddress.
	Ping        control.PingVerdict
	Launch      worker.Launch
	PingAddress fcgisup.Listen
}

// HandedSlot is one worker slot: its machine, and its process if it has one.
type HandedSlot struct {
	State      control.State
	Up         bool
	Cause      control.Cause
	Attempt    int
	Proven     bool
	Since      time.Time
	Spawned    time.Time
	Deadline   time.Time
	StopBy     time.Time
	Launch     worker.Launch
	Generation int
	Expires    time.Time
	PID        int      // 0: none
	Output     int      // descriptor of its output, with a PID; -1: closed
	Lines      []string // its last output
}

// ErrBusy says that now is not the moment to hand over.
var ErrBusy = errors.New("a restart or reload is under way")

// Suspend ends the supervisor without touching a worker, and returns what a
// successor needs. Run returns. It fails, and changes nothing, while a restart or
// reload is under way, or if ctx ends before every instance has answered.
func (s *Supervisor) Suspend(ctx context.Context) (Handover, error) {
	if !s.reloading.TryLock() {
		return Handover{}, ErrBusy
	}
	defer s.reloading.Unlock()
	for _, i := range s.instances {
		var rolling, leaving bool
		err := i.do(ctx, func(time.Time) { rolling, leaving = i.roll != nil || len(i.outdated()) > 0, i.phase == phaseLeaving })
		if err != nil || rolling || leaving {
			return Handover{}, errors.Join(ErrBusy, err)
		}
	}
	// From here on no exit may be collected: the successor would not know of it.
	if err := s.opt.Spawner.Pause(ctx); err != nil {
		return Handover{}, fmt.Errorf("cannot hand over: exits of workers are still being told: %w", err)
	}
	verdict := make(chan bool)
	m, err := s.suspendInstances(ctx, verdict)
	if err != nil {
		close(verdict)
		s.opt.Spawner.Unpause()
		return Handover{}, err
	}
	for range m.Instances {
		verdict <- true
	}
	return m, nil
}

// suspendInstances has every instance describe itself and wait for the
// verdict: true ends it, a closed channel has it continue.
func (s *Supervisor) suspendInstances(ctx context.Context, verdict <-chan bool) (Handover, error) {
	m := Handover{Version: HandoverVersion}
	for n, i := range s.instances {
		remembered := make(chan HandedInstance, 1)
		still := func(time.Time) {
			remembered <- i.snapshot(s.sockets[n])
			if <-verdict {
				i.phase = i.phase.after(eventSuspend)
				return
			}
			i.resume(time.Now())
		}
		select {
		case i.inbox <- still:
		case <-i.done: // it has ended by itself: there is nothing to hand over
			continue
		case <-ctx.Done():
			return m, fmt.Errorf("cannot hand over: %s does not answer: %w", i.in, ctx.Err())
		}
		select {
		case one := <-remembered:
			m.Instances = append(m.Instances, one)
		case <-i.done:
		case <-ctx.Done():
			return m, fmt.Errorf("cannot hand over: %s does not answer: %w", i.in, ctx.Err())
		}
	}
	return m, nil
}

// handedProcess is a process whose output a successor can go on reading.
type handedProcess interface {
	// HandOver returns the descriptor of the output, -1 if it is closed, and the last lines.
	HandOver() (output int, lines []string)
}

// snapshot returns the instance for a successor, and ends its gates.
func (i *instance) snapshot(socket *listen.Socket) HandedInstance {
	i.host.disarm()
	i.watching = false
	i.openQueue(time.Now())
	m := HandedInstance{
		Number: i.in.Number, Socket: socket.FD(), Bound: socket.Bound(),
		Awake: i.phase == phaseAwake, Slept: i.slept, Want: i.want, Generation: i.generation,
		Restarts: i.exits, ProbeFails: i.probeFail, Scaled: i.scaled,
		LastFailure: i.failure, Cut: i.cut, Rejected: i.rejected, QueueLimited: i.limited,
		Ping: i.pingVerdict(), Launch: i.launch, PingAddress: i.app.Health.Address,
	}
	for _, s := range i.slots {
		if s.endGate != nil {
			s.endGate()
			s.endGate = nil
		}
		one := HandedSlot{
			State: s.m.State, Up: s.m.Up, Cause: s.m.Cause, Attempt: s.m.Attempt, Proven: s.m.Proven,
			Since: s.m.Since, Spawned: s.m.Spawned, Deadline: s.m.Deadline, StopBy: s.m.StopBy,
			Launch: s.launch, Generation: s.generation, Expires: s.expiresAt,
		}
		if g, ok := s.proc.(handedProcess); ok && s.m.Alive() {
			one.PID = s.pid()
			one.Output, one.Lines = g.HandOver()
		}
		m.Slots = append(m.Slots, one)
	}
	return m
}

// KeepOpen makes the descriptors of a Handover survive execve(2). Call it right before
// that, where no worker can be forked: it would inherit them.
func (m Handover) KeepOpen() error {
	for _, fd := range m.descriptors() {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("cannot keep descriptor %d: %w", fd, err)
		}
	}
	return nil
}

// launch is how the workers that are handed over were started.
func (m Handover) launch() (worker.Launch, bool) {
	for _, i := range m.Instances {
		for _, s := range i.Slots {
			return s.Launch, true
		}
	}
	return worker.Launch{}, false
}

// CloseOnExec undoes KeepOpen after an execve(2) that has failed: workers must not inherit the descriptors.
func (m Handover) CloseOnExec() {
	for _, fd := range m.descriptors() {
		unix.CloseOnExec(fd)
	}
}

func (m Handover) descriptors() []int {
	var all []int
	for _, i := range m.Instances {
		all = append(all, i.Socket)
		for _, s := range i.Slots {
			if s.PID != 0 && s.Output >= 0 {
				all = append(all, s.Output)
			}
		}
	}
	return all
}

// Sockets takes the sockets of a Handover over, and marks all its descriptors
// close-on-exec again.
func (m Handover) Sockets(instances []fcgisup.Instance) (map[fcgisup.Instance]*listen.Socket, error) {
	if m.Version != HandoverVersion {
		return nil, fmt.Errorf("cannot resume: the state has version %d, this program knows %d", m.Version, HandoverVersion)
	}
	m.CloseOnExec()
	all := map[fcgisup.Instance]*listen.Socket{}
	for _, one := range m.Instances {
		in, ok := numbered(instances, one.Number)
		if !ok {
			return nil, fmt.Errorf("cannot resume: there is no instance %d", one.Number)
		}
		s, err := listen.Inherit(os.NewFile(uintptr(one.Socket), in.String()), one.Bound)
		if err != nil {
			return nil, fmt.Errorf("cannot resume %s: %w", in, err)
		}
		all[in] = s
	}
	return all, nil
}

func numbered(instances []fcgisup.Instance, n int) (fcgisup.Instance, bool) {
	for _, in := range instances {
		if in.Number == n {
			return in, true
		}
	}
	return fcgisup.Instance{}, false
}

// restore sets a new instance to what a predecessor has handed over. Called before run.
func (i *instance) restore(m HandedInstance, h *realHost) {
	if m.Awake {
		i.phase = i.phase.after(eventWake)
	}
	i.slept, i.want, i.generation = m.Slept, m.Want, m.Generation
	i.failure, i.cut, i.rejected, i.limited = m.LastFailure, m.Cut, m.Rejected, m.QueueLimited
	for c, n := range m.Restarts {
		i.exits[c] = n
	}
	for c, n := range m.ProbeFails {
		i.probeFail[c] = n
	}
	for d, n := range m.Scaled {
		i.scaled[d] = n
	}
	i.resumed = true
	if m.Ping != control.PingUntried {
		_ = i.common.pings.conclude(pinged{m.Launch, m.PingAddress}, m.Ping) // the predecessor has said what failed
	}
	for _, one := range m.Slots {
		s := &slot{launch: one.Launch, generation: one.Generation, expiresAt: one.Expires}
		if s.launch.Equal(i.launch) {
			s.launch = i.launch // which knows its inputs
		}
		s.m = worker.Machine{
			State: one.State, Up: one.Up, Cause: one.Cause, Attempt: one.Attempt, Proven: one.Proven,
			Since: one.Since, Spawned: one.Spawned, Deadline: one.Deadline, StopBy: one.StopBy,
		}
		i.spawns++
		s.id = i.spawns
		i.slots = append(i.slots, s)
		if one.PID != 0 {
			s.proc = h.Adopt(one.PID, one.Output, one.Lines, i.line, i.onExit(s, s.id))
		}
	}
}

// resume continues what the predecessor had under way but could not hand over.
func (i *instance) resume(now time.Time) {
	i.activeAt = now
	if i.phase == phaseAwake {
		i.sampleAt = now
	}
	for _, s := range i.slots {
		switch s.m.State {
		case control.Starting:
			s.checkAt = now
		case control.Draining:
			i.perform(s, worker.DoGate, now)
		case control.Ready:
			i.planProbe(now)
		case control.Stopping, control.Killing, control.Backoff, control.Failing, control.Stopped:
		}
	}
	i.recycleAt = i.planRecycle(now)
	i.socket.at = now
	if i.phase == phaseSleeping {
		i.watch()
	}
	i.settle()
}
