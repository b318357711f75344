package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/prefork"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// preforking is the process that has loaded the program, and that workers are forked from.
//
// A process that may become it is started as a worker is, in a slot of the pool: until its first accept it is not known
// which of the two it will be. A template leaves its slot to the first worker that it forks. Any other is a worker,
// and nothing has been lost. While workers run without a template, a slot of its own is made for the next attempt, with
// the goal to go: it is not counted as a worker.
type preforking struct {
	template prefork.Machine
	// coming may become the template, current is it. Both are of the generation of now; nil: there is none.
	coming, current *loading
	// former is the template of the generation before, as long as that may come back, and formerly what was known of it.
	former      *loading
	formerState prefork.Machine
	// templates counts the processes that have become one and live.
	templates int
	sleptAt   time.Time
}

// loading is a process that loads the program and may become a template.
type loading struct {
	worker.Template
	proc   worker.Process
	launch worker.Launch
	// slot is where it was started, as process number id.
	slot *slot
	id   int
	// loaded: its Perl has the module. kept: it is a template.
	loaded, kept bool
}

// start makes the process of a slot: by a fork of the template, as one that may become it, or as usual.
func (i *instance) start(s *slot, now time.Time) (worker.Process, error) {
	s.parent, s.mayRetry = nil, true
	if i.current != nil && i.mayFork(s, now) {
		if proc := i.fork(s, now); proc != nil {
			return proc, nil
		}
	}
	if i.mayLoad(s, now) {
		if proc := i.load(s, now); proc != nil {
			return proc, nil
		}
	}
	s.mayRetry = false
	return i.host.Spawn(s.launch, i.line, i.onExit(s, s.id))
}

// mayFork reports whether the template has loaded what the slot runs. One that has loaded something else is of no use
// any more.
func (i *instance) mayFork(s *slot, now time.Time) bool {
	c := i.current
	switch {
	case !s.launch.Equal(c.launch):
		return false
	case c.proc.Outdated():
		i.drop(c, now)
	case c.Changed():
		i.log.Info("the program has changed, its template is made again", "pid", c.proc.PID())
		i.drop(c, now)
	}
	return i.current != nil
}

// fork returns nil if the template cannot fork: that ends it.
func (i *instance) fork(s *slot, now time.Time) worker.Process {
	c := i.current
	proc, err := c.Fork(i.line, i.onExit(s, s.id))
	if err != nil {
		i.change(prefork.Event{Kind: prefork.Lost, Reason: err.Error(), Blamed: true}, now)
		i.drop(c, now)
		return nil
	}
	s.parent = c
	return proc
}

// mayLoad reports whether the slot's process may become the template. What has failed is tried without one.
func (i *instance) mayLoad(s *slot, now time.Time) bool {
	launch := i.launch
	if i.roll != nil {
		launch = i.roll.launch
	}
	return i.app.Workers.Prefork.On() && i.current == nil && i.coming == nil && s.m.Attempt == 0 && s.launch.Equal(launch) && i.template.MayBegin(now)
}

// load returns nil if there can be no template.
func (i *instance) load(s *slot, now time.Time) worker.Process {
	c := &loading{launch: s.launch, slot: s, id: s.id}
	proc, t, err := i.host.Load(s.launch, i.line,
		func(e worker.Exit, left bool) { i.post(func(now time.Time) { i.loadingEnded(c, e, left, now) }) },
		func(m prefork.Message) { i.post(func(now time.Time) { i.onTemplateMessage(c, m, now) }) })
	if err != nil {
		i.change(prefork.Event{Kind: prefork.Refused, Reason: err.Error()}, now)
		return nil
	}
	c.proc, c.Template = proc, t
	i.coming = c
	i.change(prefork.Event{Kind: prefork.Begun}, now)
	return proc
}

// change is one step of the template, which the log has once.
func (i *instance) change(ev prefork.Event, now time.Time) {
	before := i.template
	i.template = before.Step(ev, now, i.limits().Delay)
	if i.template.State == before.State {
		return
	}
	level, args := slog.LevelInfo, []any{"from", cmp.Or(string(before.State), "none"), "to", cmp.Or(string(i.template.State), "none")}
	for _, c := range []*loading{i.coming, i.current} {
		if c != nil {
			args = append(args, "pid", c.proc.PID())
			break
		}
	}
	if i.template.State == control.TemplateFailed {
		level = slog.LevelWarn
		args = append(args, "reason", i.template.Reason, "workers", "started one by one")
	}
	i.log.Log(context.Background(), level, "template", args...)
}

// onTemplateMessage handles a message of the program of a process.
func (i *instance) onTemplateMessage(c *loading, m prefork.Message, now time.Time) {
	switch m.Said {
	case prefork.Loaded:
		c.loaded = true
	case prefork.Child:
		i.serveAsWorker(c, fmt.Sprintf("the program forks its workers itself: its child %d accepts", m.PID), now)
	case prefork.Ready:
		i.decideTemplate(c, m.PID, now)
	default:
	}
}

// serveAsWorker makes the process the worker that it was started as.
func (i *instance) serveAsWorker(c *loading, why string, now time.Time) {
	c.Serve()
	if i.coming == c {
		i.change(prefork.Event{Kind: prefork.Refused, Reason: control.Shown(why)}, now)
		i.coming = nil
	}
}

// decideTemplate makes a program that has arrived at its first accept the template, or a worker.
func (i *instance) decideTemplate(c *loading, pid int, now time.Time) {
	s := c.slot
	wanted := i.coming == c && c.id == s.id && (s.m.State == control.Starting || s.m.State == control.Ready)
	if !wanted && !s.m.Up && s.id == c.id { // it holds no connection
		i.dispatch(s, worker.Event{Kind: worker.Kill, Cause: s.m.Cause}, now)
		return
	}
	if !wanted {
		c.Serve()
		return
	}
	if why := c.Inspect(pid, i.app.Workers.Prefork.Allow); why != "" {
		i.serveAsWorker(c, why, now)
		return
	}
	if err := c.Keep(); err != nil {
		i.serveAsWorker(c, err.Error(), now)
		return
	}
	c.kept = true
	i.templates++
	i.change(prefork.Event{Kind: prefork.Kept}, now)
	i.current, i.coming = c, nil
	i.leaveSlot(s, now)
}

// leaveSlot puts a worker where the template was, if one is wanted there.
func (i *instance) leaveSlot(s *slot, now time.Time) {
	s.proc = nil
	i.spawns++
	s.id = i.spawns
	if !s.m.Up {
		s.m = s.m.Enter(control.Stopped, now, time.Time{})
		return
	}
	i.started(s, now)(i.start(s, now))
}

// noteWorkerNotTemplate notes that a process which might have become the template is a worker, and that a slot which was there
// for it is one of the pool's.
func (i *instance) noteWorkerNotTemplate(s *slot, now time.Time) {
	s.m.Up = true
	c := i.coming
	if c == nil || c.slot != s || c.id != s.id {
		return
	}
	why := "Perl has not loaded the module: the program runs in taint mode (perl -T), or is not a Perl program"
	if c.loaded {
		why = "the program accepts without FCGI::Accept, or in a child"
	}
	i.serveAsWorker(c, why, now)
}

// reportsReady reports whether a starting worker tells us when it is ready, so that it need not be asked.
func (i *instance) reportsReady(s *slot) bool {
	c := i.coming
	return c != nil && c.slot == s && c.id == s.id && c.loaded
}

// loadingEnded handles the end of a process that may have become a template.
func (i *instance) loadingEnded(c *loading, e worker.Exit, left bool, now time.Time) {
	if !c.kept {
		if i.coming == c && !left {
			why := fmt.Sprintf("the program ended before it accepted: %s", e)
			i.change(prefork.Event{Kind: prefork.Lost, Reason: why, Blamed: !e.Sent() && i.ready()}, now)
			i.coming = nil
		}
		if !left {
			c.Close()
		}
		i.handleExit(c.slot, c.id, e, left, now)
		return
	}
	if left {
		_ = c.proc.Signal(syscall.SIGKILL) // what is left of the group that was the template's
		return
	}
	i.templates--
	c.Close()
	if i.former == c {
		i.former = nil
	}
	if i.current == c {
		i.change(prefork.Event{Kind: prefork.Lost, Reason: fmt.Sprintf("the template ended: %s", e), Blamed: !e.Sent()}, now)
		i.current = nil
	}
}

// giveUpTemplate gives up a template whose worker has ended before it was ready, unless it was told to: another one that
// is started as usual shows which of them is at fault.
func (i *instance) giveUpTemplate(s *slot, before worker.Machine, now time.Time) {
	c := s.parent
	if c == nil || c != i.current || before.Proven || s.exit.Sent() || s.m.Cause != control.Crash && s.m.Cause != control.StartTimeout {
		return
	}
	i.change(prefork.Event{Kind: prefork.Refused, Reason: fmt.Sprintf("a worker that was forked from the template ended before it was ready: %s", s.exit)}, now)
	i.drop(c, now)
}

// drop ends a template. It holds no connection and nothing of its own, so it need not be asked.
func (i *instance) drop(c *loading, now time.Time) {
	c.Close()
	if err := c.proc.Signal(syscall.SIGKILL); err != nil {
		i.log.Error("cannot end the template", "pid", c.proc.PID(), "error", err)
	}
	if i.current == c {
		i.current = nil
		i.change(prefork.Event{Kind: prefork.Dropped}, now)
	}
}

// replaceTemplate begins a generation, which makes its own template.
func (i *instance) replaceTemplate(now time.Time) {
	if i.former != nil {
		i.drop(i.former, now)
	}
	i.former, i.formerState = i.current, i.template
	i.current, i.coming, i.template = nil, nil, prefork.Machine{}
}

// restoreTemplate goes back to the template of the generation before: the new one has not come up.
func (i *instance) restoreTemplate(r *roll, now time.Time) {
	if !r.renews {
		return
	}
	if i.current != nil {
		i.drop(i.current, now)
	}
	i.current, i.coming, i.template, i.former = i.former, nil, i.formerState, nil
	if i.current == nil && i.template.State != control.TemplateFailed {
		i.template = prefork.Machine{}
	}
}

// resetTemplate is for another setting.
func (i *instance) resetTemplate(now time.Time) {
	if i.current != nil {
		i.drop(i.current, now)
	}
	i.coming, i.template = nil, prefork.Machine{}
}

// closeTemplates ends all of them; a process that is not decided about serves.
func (i *instance) closeTemplates() {
	for _, c := range []*loading{i.coming, i.current, i.former} {
		if c != nil {
			c.Close()
		}
	}
}

// templatePolicy ends what is not needed, and has a pool that works make the template that it wants.
type templatePolicy struct{ *instance }

func (p templatePolicy) next() time.Time {
	return sooner(sooner(p.formerEnds(), p.currentEnds()), p.templateBegins())
}

func (p templatePolicy) run(now time.Time) {
	if due(p.formerEnds(), now) {
		p.drop(p.former, now)
		p.former = nil
	}
	if due(p.currentEnds(), now) {
		p.drop(p.current, now)
	}
	if due(p.templateBegins(), now) {
		s := p.add(p.launch, now)
		s.m.Up = p.coming == nil || p.coming.slot != s // without a template it is a worker too many, which fill ends
	}
}

// formerEnds is when the template of the generation before can come back no more.
func (i *instance) formerEnds() time.Time {
	if i.former != nil && (i.roll == nil || i.phase == phaseLeaving) {
		return immediately
	}
	return time.Time{}
}

// currentEnds is when the template is of no use any more.
func (i *instance) currentEnds() time.Time {
	switch {
	case i.current == nil:
		return time.Time{}
	case !i.app.Workers.Prefork.On() || i.phase == phaseLeaving, i.roll == nil && !i.current.launch.Equal(i.launch):
		return immediately
	case i.phase == phaseSleeping:
		return i.sleptAt.Add(i.app.Limits.TemplateIdle)
	}
	return time.Time{}
}

// templateBegins is when one is started beside the workers.
func (i *instance) templateBegins() time.Time {
	switch {
	case !i.templateMissing():
		return time.Time{}
	case i.template.State == control.TemplateFailed:
		return i.template.Again
	case i.template.State == control.TemplateStarting || i.template.State == control.TemplateReady:
		return time.Time{}
	}
	return immediately
}

// templateMissing reports whether one could be made beside the workers.
func (i *instance) templateMissing() bool {
	return i.app.Workers.Prefork.On() && i.phase == phaseAwake && i.roll == nil && i.current == nil && i.coming == nil && i.ready()
}

// awaitsTemplate reports whether more workers come at once when a process that starts now has become the template: until
// then they would only share the cores with it.
func (i *instance) awaitsTemplate() bool {
	c := i.coming
	return c != nil && i.roll == nil && c.slot.id == c.id && c.slot.m.State == control.Starting && i.working() > 0
}

// templateStatus is what others may see; nil if none is configured.
func (i *instance) templateStatus() *control.TemplateStatus {
	if !i.app.Workers.Prefork.On() || i.template.State == "" {
		return nil
	}
	t := &control.TemplateStatus{State: i.template.State, Since: i.template.Since, Reason: control.Shown(i.template.Reason)}
	if c := i.current; c != nil {
		t.PID = c.proc.PID()
	} else if i.coming != nil {
		t.PID = i.coming.proc.PID()
	}
	return t
}

// onlyLoads reports whether a slot is there for the template alone.
func (i *instance) onlyLoads(s *slot) bool {
	return !s.m.Up && i.coming != nil && i.coming.slot == s
}
