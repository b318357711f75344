package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// skipped is why a step was not performed: the machine or the moment does not offer it.
type skipped struct{ why string }

func (s skipped) Error() string { return s.why }

func skip(format string, args ...any) error { return skipped{fmt.Sprintf(format, args...)} }

func isSkip(err error) (string, bool) {
	var s skipped
	return s.why, errors.As(err, &s)
}

// action performs a step on a member: all of it, up to the end of the fault.
type action func(ctx context.Context, m *member, s Step) (note string, err error)

func (f *fleet) action(k Kind) action {
	switch k {
	case KillWorker, KillWorkers:
		return f.killWorker
	case KillSupervisor:
		return f.killSupervisor
	case StopWorker:
		return f.stopWorker
	case StopSupervisor:
		return f.stopSupervisor
	case FullDisk:
		return f.fullDisk
	case SlowDisk:
		return f.slowDisk
	case FewFiles:
		return f.fewFiles
	case FewFilesWorker:
		return f.fewFilesWorker
	case OutOfMemory:
		return f.outOfMemory
	case ShiftedClock:
		return f.shiftClock
	case DeafLog:
		return f.deafLog
	case ClosedLog:
		return f.closedLog
	case NoBus:
		return f.noBus
	case NoJournal:
		return f.noJournal
	case BreakProgram:
		return f.breakProgram
	case Burst:
		return f.burst
	case Overload:
		return f.overload
	case SilentClients:
		return f.silentClients
	case Deserters:
		return f.deserters
	case Storm:
		return f.storm
	case Restart:
		return f.restart
	case Scale:
		return f.scale
	case EditConfig:
		return f.editConfig
	case BreakConfig:
		return f.breakConfig
	case Handover:
		return f.handover
	case BrokenSuccessor:
		return f.brokenSuccessor
	case ReloadNginx:
		return f.reloadNginx
	}
	return func(context.Context, *member, Step) (string, error) { return "", skip("no such kind") }
}

// performer runs steps, one on top of the other where they say so.
type performer struct {
	f *fleet

	mu    sync.Mutex
	done  []Performed
	going sync.WaitGroup
}

// perform begins a step and returns when the next may begin.
func (p *performer) perform(ctx context.Context, s Step) {
	m := p.f.member(s.Member)
	at := p.f.rec.now()
	if m == nil {
		p.add(Performed{Step: s, At: at, Skipped: "there is no such member here"})
		return
	}
	m.begun.Add(1)
	m.active.Add(1)
	ended := make(chan struct{})
	p.going.Go(func() {
		defer close(ended)
		defer m.active.Add(-1)
		p.one(ctx, m, s, at)
	})
	var after <-chan time.Time
	if !s.Settle {
		after = time.After(s.Pause)
	}
	select {
	case <-ended:
	case <-after:
	case <-ctx.Done():
	}
}

// one performs a step and waits until its member is well.
func (p *performer) one(ctx context.Context, m *member, s Step, at time.Duration) {
	did := Performed{Step: s, At: at}
	var err error
	did.Note, err = p.f.action(s.Kind)(ctx, m, s)
	over := p.f.rec.now()
	if why, ok := isSkip(err); ok {
		did.Skipped = why
		p.add(did)
		return
	}
	if err == nil {
		err = p.f.awaitWell(ctx, m, startPatience)
	}
	did.Recovery = p.f.rec.now() - over
	if err != nil && ctx.Err() == nil {
		p.f.violate(ctx, RuleRecovery, m, "%s at %v: %v", s.Kind, at.Round(time.Millisecond), err)
	}
	p.add(did)
}

func (p *performer) add(did Performed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, did)
	text := did.Note
	if did.Skipped != "" {
		text = "skipped: " + did.Skipped
	}
	p.f.noteAt(did.At, "%s: %s", did.Step, text)
}

// wait returns when all steps have ended.
func (p *performer) wait() []Performed {
	p.going.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

func (f *fleet) member(name string) *member {
	for _, m := range f.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

// open begins a window for the member.
func (f *fleet) open(m *member, w Window) (end func()) {
	w.Member = m.name
	return f.rec.open(w)
}

func (f *fleet) note(format string, args ...any) { f.noteAt(f.rec.now(), format, args...) }

func (f *fleet) noteAt(at time.Duration, format string, args ...any) {
	if f.opt.Log == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintf(f.opt.Log, "%8.3fs %s\n", at.Seconds(), fmt.Sprintf(format, args...))
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
