package chaos

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// killWorker kills one of the member's workers, or all of them.
func (f *fleet) killWorker(ctx context.Context, m *member, s Step) (string, error) {
	pids := m.workers()
	if len(pids) == 0 {
		return "", skip("it has no worker just now")
	}
	if s.Kind == KillWorker {
		pids = []int{pids[s.Pick%uint64(len(pids))]}
	}
	return f.kill(ctx, m, s.Kind, pids, 0)
}

// kill ends processes with SIGKILL: first they are stopped, so that what they
// hold at their end can be told exactly. What ends with a supervisor that is
// killed are its workers, too.
func (f *fleet) kill(ctx context.Context, m *member, kind Kind, pids []int, supervisor int) (string, error) {
	victims := openProcesses(pids)
	defer closeProcesses(victims)
	marks, err := stopWith(ctx, m, victims, append(pids, supervisor))
	if err != nil {
		signalAll(victims, unix.SIGCONT)
		return "", err
	}
	k := Kill{At: f.rec.now(), Member: m.name, Kind: kind, PIDs: pids}
	k.Victims, k.Foreign = f.rec.byMark(marks)
	f.rec.killed(k)
	if supervisor == 0 {
		signalAll(victims, unix.SIGKILL)
	} else if err := f.killSupervisorAlone(ctx, m, supervisor, victims); err != nil {
		return "", err
	}
	return fmt.Sprintf("killed %v, with them requests %v and %d other connections", pids, k.Victims, k.Foreign), nil
}

// stops bounds how often processes are stopped again that their supervisor continues meanwhile, as it does before it ends them.
const stops = 5

// stopWith stops processes and returns what these pids hold then.
func stopWith(ctx context.Context, m *member, victims []process, pids []int) (marks []string, err error) {
	for range stops {
		stopAll(victims)
		if marks, err = held(ctx, m.targets, pids); err != nil || !slices.ContainsFunc(victims, process.runs) {
			break
		}
	}
	return marks, err
}

// deathPatience is how long a worker may outlive its supervisor.
const deathPatience = 5 * time.Second

func (f *fleet) killSupervisorAlone(ctx context.Context, m *member, supervisor int, workers []process) error {
	p, err := openProcess(supervisor)
	if err != nil {
		return err
	}
	defer closeProcesses([]process{p})
	if err := p.signal(unix.SIGKILL); err != nil {
		return err
	}
	for end := time.Now().Add(deathPatience); ; time.Sleep(5 * time.Millisecond) {
		left := slices.DeleteFunc(slices.Clone(workers), process.gone)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			f.violate(ctx, RuleLeft, m, "worker %d outlives its supervisor %d, which was killed", left[0].pid, supervisor)
			signalAll(left, unix.SIGKILL)
			return nil
		}
	}
}

// killSupervisor kills it and thereby its workers.
func (f *fleet) killSupervisor(ctx context.Context, m *member, s Step) (string, error) {
	pid := m.keeper.pid()
	if pid == 0 {
		return "", skip("it has no supervisor just now")
	}
	p, err := openProcess(pid)
	if err != nil {
		return "", skip("%v", err)
	}
	defer closeProcesses([]process{p})
	defer f.open(m, Window{Kind: s.Kind, Refuses: m.hold == own, Loses: m.hold == own})()
	stopAll([]process{p}) // it must not start what is not counted
	note, err := f.kill(ctx, m, s.Kind, m.workers(), pid)
	if err != nil {
		_ = p.signal(unix.SIGCONT)
		return "", err
	}
	return note, f.again(ctx, m, pid)
}

// againPatience is how long the next supervisor may take to be there.
const againPatience = 30 * time.Second

// again waits for another supervisor than this one, and until it is well: until
// then a window is open.
func (f *fleet) again(ctx context.Context, m *member, before int) error {
	for end := time.Now().Add(againPatience); ; time.Sleep(10 * time.Millisecond) {
		if now := m.keeper.pid(); now != 0 && now != before {
			return f.awaitWell(ctx, m, startPatience)
		}
		if m.active.Load() > 1 {
			end = time.Now().Add(againPatience)
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("no supervisor has followed %d", before)
		}
	}
}

// shiftClock has the next supervisor live in a time namespace whose monotonic
// and boot clocks are days ahead. A wall clock cannot be had for one process alone.
func (f *fleet) shiftClock(ctx context.Context, m *member, s Step) (string, error) {
	r, ok := m.keeper.(*respawner)
	if !ok || os.Geteuid() != 0 {
		return "", skip("needs root, and a supervisor of our own")
	}
	r.shift.Store(int64(s.Pick%7) * 86_400 * 100)
	return f.killSupervisor(ctx, m, s)
}

// standing is the shortest time after which a worker that is stopped with a request
// counts as stuck: the members' failures times the shortest interval they are given.
const standing = 3 * 300 * time.Millisecond

// stopWorker stops a worker for a while. One that serves at that moment must survive
// it, unless it takes so long that it counts as stuck; an idle one is as good as that.
func (f *fleet) stopWorker(ctx context.Context, m *member, s Step) (string, error) {
	pids := m.workers()
	if len(pids) == 0 {
		return "", skip("it has no worker just now")
	}
	pid := pids[s.Pick%uint64(len(pids))]
	p, err := openProcess(pid)
	if err != nil {
		return "", skip("%v", err)
	}
	all := []process{p}
	defer closeProcesses(all)
	stopAll(all)
	marks, err := held(ctx, m.targets, []int{pid})
	ids, foreign := f.rec.byMark(marks)
	busy := err == nil && len(ids) > 0
	condemned := !busy || s.Hold >= standing
	end := f.open(m, Window{Kind: s.Kind, Condemns: condemned})
	sleep(ctx, s.Hold)
	signalAll(all, unix.SIGCONT)
	defer end()
	if condemned {
		// If it was condemned it may have taken one more request between the two signals.
		f.rec.killed(Kill{At: f.rec.now(), Member: m.name, Kind: s.Kind, PIDs: []int{pid}, Victims: ids, Foreign: 1})
	}
	return fmt.Sprintf("%d, holding requests %v and %d other connections", pid, ids, foreign), f.awaitWell(ctx, m, startPatience)
}

// stopSupervisor: while it is stopped its workers serve.
func (f *fleet) stopSupervisor(ctx context.Context, m *member, s Step) (string, error) {
	p, err := openProcess(m.keeper.pid())
	if err != nil {
		return "", skip("%v", err)
	}
	all := []process{p}
	defer closeProcesses(all)
	stopAll(all)
	end := f.open(m, Window{Kind: s.Kind, Serves: true})
	sleep(ctx, s.Hold)
	end()
	signalAll(all, unix.SIGCONT)
	return fmt.Sprintf("%d for %v", p.pid, s.Hold), nil
}

// outOfMemory asks for more memory than the cgroup has, in one request.
func (f *fleet) outOfMemory(ctx context.Context, m *member, s Step) (string, error) {
	if !m.hungry {
		return "", skip("it has no small memory cgroup")
	}
	before := m.workers()
	defer f.open(m, Window{Kind: s.Kind, Condemns: true})()
	f.rec.killed(Kill{At: f.rec.now(), Member: m.name, Kind: s.Kind, PIDs: before})
	page, err := m.targets[0].ask(ctx, "/grow?mib=200", nil, nil)
	if err == nil && strings.Contains(page, "grown") { // and not 503, for another fault
		return "", fmt.Errorf("a worker of %s has got 200 MiB of %d", m.name, memoryLimit)
	}
	return fmt.Sprintf("%v, then %v", before, m.workers()), f.awaitWell(ctx, m, startPatience)
}

// fewFiles lets the supervisor open no more files, and has it want to: a worker is killed.
func (f *fleet) fewFiles(ctx context.Context, m *member, s Step) (string, error) {
	pid := m.keeper.pid()
	fds, err := descriptors(pid)
	if err != nil {
		return "", skip("%v", err)
	}
	// The limit is on numbers: the lowest that is free is the first that must not be had.
	free := 0
	for fds[free] != "" {
		free++
	}
	end := f.open(m, Window{Kind: s.Kind, Starves: true, Condemns: true})
	restore, err := limitFiles(ctx, pid, uint64(free))
	if err != nil {
		end()
		return "", skip("%v", err)
	}
	note, err := f.killWorker(ctx, m, Step{Kind: KillWorker, Pick: s.Pick})
	sleep(ctx, s.Hold)
	if restore() != nil {
		note += "; it has ended meanwhile"
	}
	defer end()
	if _, skipped := isSkip(err); err != nil && !skipped {
		return note, err
	}
	return fmt.Sprintf("no more than %d, %s", free, note), f.awaitWell(ctx, m, startPatience)
}

// fewFilesWorker lets a worker accept no more connections: accept(2) fails with EMFILE.
func (f *fleet) fewFilesWorker(ctx context.Context, m *member, s Step) (string, error) {
	if !m.suits(FewFilesWorker) {
		return "", skip("its requests would be lost")
	}
	pids := m.workers()
	if len(pids) == 0 {
		return "", skip("it has no worker just now")
	}
	pid := pids[s.Pick%uint64(len(pids))]
	restore, err := limitFiles(ctx, pid, 3)
	if err != nil {
		return "", skip("%v", err)
	}
	end := f.open(m, Window{Kind: s.Kind, Condemns: true})
	defer end()
	sleep(ctx, s.Hold)
	_ = restore() // gone, most likely
	return fmt.Sprint(pid), f.awaitWell(ctx, m, startPatience)
}
