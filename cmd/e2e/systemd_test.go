package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// sandboxConfig: everything runs as www-data in the generated sandbox: strict.
const sandboxConfig = `apps:
  aged:
    command: [/opt/apps/aged.pl]
    instances: 3
    activation: fleet
    listen: /run/aged%i.sock
    systemd: {sandbox: strict, service: {UnsetEnvironment: JOURNAL_STREAM}} # so that lines have their own time
    limits: {max_age: 2s}
  board:
    command: [/opt/apps/board.pl]
    workers: 3
    listen: /run/board.sock
    systemd: {sandbox: strict}
    socket: {backlog: 511}
  hang:
    command: [/opt/apps/hang.pl]
    listen: /run/hang.sock
    systemd: {sandbox: strict}
    limits: {request_timeout: 2s, stop_timeout: 2s}
  nap:
    command: [/opt/apps/nap.pl]
    listen: /run/nap.sock
    systemd: {sandbox: strict}
    limits: {idle_timeout: 300ms}
    health: {interval: 100ms}
  shut:
    command: [/opt/apps/liar.pl, none]
    listen: /run/shut.sock
    systemd: {sandbox: strict}
  shy:
    command: [/opt/apps/liar.pl, dies-of-pings]
    listen: /run/shy.sock
    systemd: {sandbox: strict}
    health: {interval: 100ms}
  stray:
    command: [/opt/apps/liar.pl, daemon]
    listen: /run/stray.sock
    systemd: {sandbox: strict}
  swap:
    command: [/opt/apps/swap.pl]
    workers: 2
    listen: /run/swap.sock
    systemd: {sandbox: strict}
`

// TestSandboxed: what the scoreboard makes possible, with the privileges that the generated units leave.
func TestSandboxed(t *testing.T) {
	inTurn(t, busy)
	b := newBox(t)
	b.installPrograms(t, "aged", "board", "hang", "nap", "swap")
	b.copyFrom(t, appPath(t, "liar.pl"), "/opt/apps/liar.pl", 0o755)
	b.startNginx(t)
	b.deploy(t, sandboxConfig, "aged", "board", "hang", "nap", "shut", "shy", "stray", "swap")

	t.Run("scoreboard", b.board)
	t.Run("a stuck worker is replaced", b.hang)
	t.Run("supervisors take turns to recycle", b.aged)
	t.Run("sleep is the end of the supervisor", b.nap)
	t.Run("a socket that a worker has shut down is named", b.shutDown)
	t.Run("one ping is one over all supervisors", b.onePing)
	t.Run("strays are ended", b.strays)
	t.Run("a new program takes over", b.swap)
	t.Run("one that cannot is refused", b.swapRefused)
}

// full is the whole status of an app's only instance.
func (b *box) full(app string) (control.Status, error) {
	if all := b.told(app, 1); len(all) == 1 {
		return all[0], nil
	}
	out, code := b.try("fcgisup", "status", app, "--json")
	var all []control.Status
	if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil || len(all) != 1 {
		return control.Status{}, fmt.Errorf("fcgisup status %s: exit %d, %w: %s", app, code, err, out)
	}
	return all[0], nil
}

// told is what the supervisor of an instance says, asked without a process in the box: tests that wait ask it often. It is
// empty while none runs.
func (b *box) told(app string, n int) []control.Status {
	for _, name := range []string{fmt.Sprintf("%s-%d", app, n), app} {
		all, err := fetchStatus(context.Background(), b.path("/run/fcgisup/"+name+"/"+control.ControlName))
		if err == nil {
			return all
		}
	}
	return nil
}

// soon waits for a status that check has no complaint of.
func (b *box) soon(t *testing.T, app string, check func(st control.Status) error) (st control.Status) {
	t.Helper()
	within(t, 20*time.Second, func() (err error) {
		if st, err = b.full(app); err == nil {
			err = check(st)
		}
		return err
	})
	return st
}

// direct asks an app's socket from outside the box. The kernel counts such a connection to the outside's network
// namespace, where no process in the box sees it: what the scoreboard must see goes through nginx.
func (b *box) direct(app, target string) (int, error) {
	page, err := fcgiAsk("unix", b.path("/run/"+app+".sock"), target, nil, nil)
	if err != nil {
		return 0, err
	}
	return workerPID(page)
}

func (b *box) board(t *testing.T) {
	if _, err := b.direct("board", "/"); err != nil {
		t.Fatal(err)
	}
	b.soon(t, "board", settled(3))
	answers := make(chan error, 8)
	for range cap(answers) {
		go func() { answers <- b.throughNginx("board", "/until?/run/release")() }()
	}
	st := b.soon(t, "board", eightAtThree)
	if *st.Backlog != 511 {
		t.Errorf("backlog %d", *st.Backlog)
	}
	for _, w := range st.Workers {
		if w.MemoryBytes == nil || w.MemoryKind != "pss" || w.RequestsSeen == nil || *w.RequestsSeen < 1 {
			t.Errorf("worker %+v; want its PSS and at least a request", w)
		}
		if user := strings.TrimSpace(b.run(t, "ps", "-o", "user=", "-p", strconv.Itoa(w.PID))); user != "www-data" {
			t.Errorf("worker %d runs as %s", w.PID, user)
		}
	}
	pid := b.property(t, service("board", 1), "MainPID")
	if user := strings.TrimSpace(b.run(t, "ps", "-o", "user=", "-p", pid)); user != "www-data" {
		t.Errorf("the supervisor runs as %s", user)
	}
	metrics := b.run(t, "curl", "-s", "--unix-socket", "/run/fcgisup/board-1/control.sock", "http://fcgisup/metrics")
	for _, want := range []string{"fcgisup_queue_length{", "fcgisup_in_flight{", "fcgisup_oldest_request_seconds{", "fcgisup_memory_bytes{", "fcgisup_workers_busy{"} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("no %s…} in /metrics", want)
		}
	}
	b.write(t, "/run/release", "", 0o644)
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func (b *box) hang(t *testing.T) {
	pid, err := b.direct("hang", "/")
	if err != nil {
		t.Fatal(err)
	}
	b.soon(t, "hang", isUp)
	hung := make(chan struct{})
	go func() { _, _ = b.get("hang", "/sleep?ms=20000"); close(hung) }()
	st := b.soon(t, "hang", func(st control.Status) error {
		if st.Restarts[control.Stuck] != 1 {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	evidence := strings.Join(st.LastFailure.Evidence, "\n")
	for _, want := range []string{fmt.Sprintf("process %d (", pid), "state S", "wchan", "syscall 2", "socket:["} {
		if !strings.Contains(evidence, want) {
			t.Errorf("no %q in the evidence:\n%s", want, evidence)
		}
	}
	if next, err := b.direct("hang", "/"); err != nil || next == pid {
		t.Errorf("afterwards %d answers, %v", next, err)
	}
	<-hung
}

var recycling = regexp.MustCompile(`(?m)^time=(\S+) .*msg=(?:recycling .*instance=(\d+)|worker .*instance=(\d+) .*to=stopped .*cause=age)`)

// recyclings are the beginnings and ends of the app's turns in the order in which they were said, matches of recycling: each
// supervisor writes its log aside, so that in the journal its line may come after a later one of another.
func (b *box) recyclings(t *testing.T) [][]string {
	t.Helper()
	all := recycling.FindAllStringSubmatch(b.run(t, "journalctl", "-q", "--no-pager", "-o", "cat", "-u", "aged-fastcgi@*"), -1)
	slices.SortStableFunc(all, func(a, b []string) int {
		return cmp.Or(strings.Compare(a[1], b[1]), strings.Compare(a[2], b[2])) // within a millisecond, ends first
	})
	return all
}

// aged: each instance has a supervisor of its own, which began at the same time as the others.
func (b *box) aged(t *testing.T) {
	requests := startLoad(2, b.throughNginx("aged", "/sleep?ms=5"))
	within(t, time.Minute, func() error {
		for n := 1; n <= 3; n++ {
			if st, err := b.status("aged", n); err != nil || st.Exits[control.Age] < 2 {
				return fmt.Errorf("aged@%d has not recycled twice: %v, %w", n, st.Exits, err)
			}
		}
		return nil
	})
	requests.end(t, "requests over recycling")
	b.run(t, "systemctl", "stop", "aged-fastcgi.target")
	under, turns := "", 0
	for _, m := range b.recyclings(t) {
		switch {
		case m[2] != "" && under != "":
			t.Errorf("instance %s recycles while %s does: %s", m[2], under, m[0])
		case m[2] != "":
			under = m[2]
		case m[3] == under:
			under = ""
			turns++
		}
	}
	if turns < 5 {
		t.Errorf("%d whole turns in the journal", turns)
	}
}

// nap: requests trickle in around the end of the service: before, while and after it.
func (b *box) nap(t *testing.T) {
	n, asked := rounds(t, 8), 0
	slept := func() int {
		return strings.Count(b.run(t, "journalctl", "-q", "--no-pager", "-o", "cat", "-u", service("nap", 1)), `msg="going to sleep"`)
	}
	for begin := time.Now(); slept() < n; {
		for range 3 {
			if _, err := b.direct("nap", "/"); err != nil {
				t.Fatalf("request %d: %v\n%s", asked, err, b.journal(service("nap", 1)))
			}
			asked++
			// The supervisor's end takes some 20 ms after 300 ms.
			time.Sleep(280*time.Millisecond + time.Duration(asked*11%80)*time.Millisecond)
		}
		if time.Since(begin) > time.Minute+time.Duration(n)*3*time.Second {
			t.Fatalf("slept %d times only\n%s", slept(), b.journal(service("nap", 1)))
		}
	}
	within(t, 20*time.Second, func() error {
		if state := b.property(t, service("nap", 1), "ActiveState"); state != "inactive" {
			return fmt.Errorf("the service is %s", state)
		}
		return nil
	})
	if result, restarts := b.property(t, service("nap", 1), "Result"), b.property(t, service("nap", 1), "NRestarts"); result != "success" || restarts != "0" {
		t.Errorf("result %s, %s restarts by systemd", result, restarts)
	}
	if processes := b.processes(t, "nap"); len(processes) != 0 {
		t.Errorf("asleep run %v", processes)
	}
	time.Sleep(time.Second) // longer than probes would take to wake it
	if state := b.property(t, socket("nap", 1), "SubState"); state != "listening" {
		t.Errorf("the socket is %s", state)
	}
	t.Logf("%d requests, 0 failed; slept %d times", asked, slept())
	if _, err := b.direct("nap", "/"); err != nil {
		t.Errorf("the first after a sleep: %v", err)
	}
}

// shutDown: a socket of systemd's that a worker has shut down for all is the failure that status names, with the command
// that makes it again.
func (b *box) shutDown(t *testing.T) {
	if _, err := b.direct("shut", "/shut"); err != nil {
		t.Fatal(err)
	}
	const repair = "systemctl restart shut-fastcgi@1.socket"
	b.soon(t, "shut", func(st control.Status) error {
		if f := st.LastFailure; st.State != control.InstanceFailing || f == nil || f.Cause != control.ListenSocket || !strings.Contains(f.Detail, repair) {
			return fmt.Errorf("%s, %+v", st.State, f)
		}
		return nil
	})
	if out, _ := b.try("fcgisup", "doctor"); !strings.Contains(out, repair) {
		t.Errorf("doctor does not tell:\n%s", out)
	}
	b.run(t, "sh", "-c", repair)
	within(t, 20*time.Second, func() error {
		_, err := b.direct("shut", "/")
		return err
	})
}

// onePing: a program that ends when it gets a ping gets one, over all supervisors that systemd starts; and what a killed
// one leaves does not look like a supervisor.
func (b *box) onePing(t *testing.T) {
	unit := service("shy", 1)
	pings := func() int {
		return strings.Count(b.run(t, "journalctl", "-q", "--no-pager", "-o", "cat", "-u", unit), "got a ping")
	}
	for _, again := range [][]string{nil, {"systemctl", "restart", unit}, {"systemctl", "stop", unit}} {
		if again != nil {
			b.run(t, again...)
		}
		if _, err := b.direct("shy", "/"); err != nil {
			t.Fatalf("after %q: %v\n%s", again, err, b.journal(unit))
		}
		b.soon(t, "shy", noPing)
		time.Sleep(500 * time.Millisecond) // some intervals
		if n := pings(); n != 1 {
			t.Fatalf("after %q there were %d pings\n%s", again, n, b.journal(unit))
		}
	}
	b.run(t, "sh", "-c", "systemctl kill -s KILL --kill-who=main "+unit+" && systemctl stop "+unit)
	if !b.exists("/run/fcgisup/shy-1/control.sock") {
		t.Log("systemd had started it again before it stopped it")
	}
	b.soon(t, "shy", sleeps)
}

// strays: daemons that a program makes of itself are ended in the sandbox, too, and stop leaves none.
func (b *box) strays(t *testing.T) {
	_, _ = b.direct("stray", "/") // wakes it; a daemon may answer before it is found
	b.soon(t, "stray", func(st control.Status) error {
		if st.State != control.InstanceFailing {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	if left := b.processesLike(t, "liar.pl daemon"); len(left) > 2 { // two of an attempt that is being made
		t.Errorf("daemons are left: %v", left)
	}
	b.run(t, "systemctl", "stop", "stray-fastcgi.target")
	within(t, time.Minute, func() error { // the target's job does not wait for those of its services
		if left := b.processesLike(t, "liar.pl daemon"); len(left) > 0 {
			return fmt.Errorf("after stop run: %v", left)
		}
		return nil
	})
}

// install replaces the program as a package manager does: by a rename.
func (b *box) install(t *testing.T) {
	t.Helper()
	b.copyFrom(t, procPath(t, builtFcgisup), "/usr/bin/fcgisup.new", 0o755)
	b.rename(t, "/usr/bin/fcgisup.new", "/usr/bin/fcgisup")
}

// reloads is `systemctl reload`, and waits for the words in the journal.
func (b *box) reloads(t *testing.T, words string) {
	t.Helper()
	said := func() int {
		return strings.Count(b.run(t, "journalctl", "-q", "--no-pager", "-o", "cat", "-u", service("swap", 1)), words)
	}
	before := said()
	b.run(t, "systemctl", "reload", service("swap", 1))
	defer b.logFailures(t)
	within(t, 20*time.Second, func() error {
		if said() == before {
			return fmt.Errorf("not said: %s", words)
		}
		return nil
	})
}

// swap replaces the program under load, and checks that nothing else is replaced.
func (b *box) swap(t *testing.T) {
	if _, err := b.direct("swap", "/"); err != nil {
		t.Fatal(err)
	}
	workers := pids(b.soon(t, "swap", settled(2)))
	pid := b.property(t, service("swap", 1), "MainPID")
	requests := startLoad(2, b.throughNginx("swap", "/sleep?ms=5"))
	for range rounds(t, 4) {
		b.install(t)
		b.reloads(t, "resumed=true")
	}
	requests.end(t, "requests over handovers under systemd")
	b.unchanged(t, pid, workers)
}

func (b *box) unchanged(t *testing.T, pid string, workers []int) {
	t.Helper()
	st := b.soon(t, "swap", settled(2))
	if now := pids(st); !slices.Equal(now, workers) {
		t.Errorf("workers were %v, now %v", workers, now)
	}
	if now, state := b.property(t, service("swap", 1), "MainPID"), b.property(t, service("swap", 1), "SubState"); now != pid || state != "running" {
		t.Errorf("the main pid was %s, now %s; the service is %s", pid, now, state)
	}
	if n := b.number(t, service("swap", 1), "NRestarts"); n != 0 {
		t.Errorf("systemd restarted the supervisor %d times", n)
	}
}

func (b *box) swapRefused(t *testing.T) {
	workers := pids(b.soon(t, "swap", settled(2)))
	pid := b.property(t, service("swap", 1), "MainPID")
	requests := startLoad(2, b.throughNginx("swap", "/sleep?ms=5"))
	broken := func(text string, mode os.FileMode) {
		t.Helper()
		b.write(t, "/usr/bin/fcgisup.new", text, mode)
		b.rename(t, "/usr/bin/fcgisup.new", "/usr/bin/fcgisup")
		b.reloads(t, "cannot hand over")
	}
	broken("#!/bin/sh\nexit 1\n", 0o755)
	broken("#!/bin/sh\nexit 0\n", 0o644)
	b.install(t)
	b.write(t, "/etc/fcgisup/fcgisup.yaml", "apps: {swap: {comand: []}}\n", 0o644)
	b.reloads(t, "cannot hand over")
	b.configure(t, sandboxConfig)
	b.unchanged(t, pid, workers)
	b.reloads(t, "resumed=true")
	requests.end(t, "requests over refused handovers")
	b.unchanged(t, pid, workers)
	if err := b.throughNginx("swap", "/")(); err != nil {
		t.Error(err)
	}
}
