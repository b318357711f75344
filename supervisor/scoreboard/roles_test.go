package scoreboard

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startFamily starts a child, an orphan whose parent ends at once, a zombie, and a
// child in a session of its own; it prints their pids in that order.
func startFamily() error {
	child := sleeper()
	parent := exec.Command("/bin/sh", "-c", "sleep 3600 >/dev/null 2>&1 & echo $!")
	orphan, err := parent.Output()
	if err != nil {
		return err
	}
	zombie := exec.Command("/bin/true")
	stray := sleeper()
	stray.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	for _, c := range []*exec.Cmd{child, zombie, stray} {
		if err := c.Start(); err != nil {
			return err
		}
	}
	fmt.Printf("%d\n%s%d\n%d\n", child.Process.Pid, orphan, zombie.Process.Pid, stray.Process.Pid)
	os.Stdout.Close()
	for {
		unix.Pause()
	}
}

// headless goes on without its first thread, as a C program does whose main calls
// pthread_exit.
func headless() error {
	failed := make(chan error)
	go func() { failed <- acceptLoop() }()
	for unix.Gettid() != os.Getpid() {
		// Keep this thread, so that the next goroutine gets another.
		next := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			if unix.Gettid() == os.Getpid() {
				unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
			}
			next <- struct{}{}
			select {}
		}()
		<-next
	}
	runtime.LockOSThread()
	go func() { <-failed; os.Exit(1) }()
	unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	return nil
}

func sleeper() *exec.Cmd { return exec.Command("/bin/sleep", "3600") }

// observe is the supervisor without privileges: it starts a worker on the listener
// it inherited and looks at everything.
func observe() error {
	l, err := Open(0)
	if err != nil {
		return err
	}
	defer l.Close()
	worker := playing("accept")
	worker.Stdin = os.Stdin
	worker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := worker.Start(); err != nil {
		return err
	}
	pid := worker.Process.Pid
	defer worker.Wait()
	defer unix.Kill(pid, unix.SIGKILL)

	tb := &strictTB{}
	await(tb, pid, l, InAccept)
	client := dial(tb, l)
	defer client.close()
	var conns []Conn
	eventually(tb, "accepted", func() bool { conns, err = l.Accepted(); return err != nil || len(conns) == 1 })
	q, errQ := l.Queue()
	waiting, errW := l.Waiting()
	_, errR := l.Replaced()
	members, errM := Members(pid)
	_, kind, errK := Memory(pid)
	if err := errors.Join(err, errQ, errW, errR, errM, errK); err != nil {
		return err
	}
	held := Holds([]int{pid}, conns)
	var reading []Inode
	eventually(tb, "reading", func() bool { reading, err = Reading(pid); return err != nil || len(reading) > 0 })
	ok := q.Source != ProcNet && len(waiting) == 0 && slices.Equal(members, []int{pid}) && kind == PSS &&
		slices.Equal(held.By[conns[0].Inode], []int{pid}) && len(reading) == 1 && reading[0] == conns[0].Inode
	// Another's process must say so, and not be idle.
	strange := Holds([]int{os.Getppid()}, conns)
	a, errA := Accepting(os.Getppid(), l.Inode())
	ok = ok && strange.Unreadable[os.Getppid()] != nil && a.State == Unknown && errA == nil
	if !ok || err != nil {
		return fmt.Errorf("queue %+v waiting %+v members %v memory %s held %+v reading %v (%v); stranger %+v %+v (%v)",
			q, waiting, members, kind, held, reading, err, strange, a, errA)
	}
	fmt.Println("seen")
	return nil
}

// strictTB lets a role use the helpers of the tests.
type strictTB struct{ testing.TB }

func (*strictTB) Helper()        {}
func (*strictTB) Cleanup(func()) {}
func (*strictTB) Fatal(a ...any) { fmt.Fprintln(os.Stderr, a...); os.Exit(1) }
func (*strictTB) Fatalf(f string, a ...any) {
	fmt.Fprintf(os.Stderr, f+"\n", a...)
	os.Exit(1)
}

func TestWithoutPrivileges(t *testing.T) {
	needRoot(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			l := k.make(t, 8)
			c := asRole(t, "observer", l)
			if l.domain == unix.AF_UNIX && !l.addr.abstract() {
				// t.TempDir is closed to others; a client must reach the file.
				l = openToAll(t)
				c = asRole(t, "observer", l)
			}
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := c.CombinedOutput()
			if err != nil || string(out) != "seen\n" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
}

func openToAll(t *testing.T) *Listener {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "scoreboard")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	l := listenAt(t, dir+"/s", 8)
	must(t, os.Chmod(dir+"/s", 0o777))
	return l
}

func asRole(t *testing.T, name string, l *Listener) *exec.Cmd {
	t.Helper()
	fd, err := unix.Dup(l.fd)
	must(t, err)
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "listener")
	t.Cleanup(func() { f.Close() })
	c := playing(name)
	c.Stdin = f
	return c
}

// foreign sits in another network namespace than its listener, like a service with
// PrivateNetwork= under a socket unit.
func foreign() error {
	l, err := Open(0)
	if err != nil {
		return err
	}
	defer l.Close()
	q, errQ := l.Queue()
	_, errA := l.Accepted()
	_, errW := l.Waiting()
	if l.domain != unix.AF_UNIX {
		fmt.Printf("%d %v\n", q.Length, errQ)
		return nil
	}
	for _, err := range []error{errQ, errA, errW} {
		if !errors.Is(err, ErrUnsupported) {
			return fmt.Errorf("got %w", err)
		}
	}
	fmt.Println("unsupported")
	return nil
}

func TestForeignNamespace(t *testing.T) {
	needRoot(t)
	for i, want := range map[int]string{0: "unsupported\n", 2: "1 <nil>\n"} {
		l := kinds[i].make(t, 8)
		dial(t, l)
		c := asRole(t, "foreigner", l)
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
		out, err := c.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v: %s", kinds[i].name, err, out)
		}
	}
}

func TestMembers(t *testing.T) {
	c := playing("family")
	out, err := c.StdoutPipe()
	must(t, err)
	p := start(t, c, -1)
	pids := readNumbers(t, bufio.NewReader(out), 4)
	stray := pids[3]
	t.Cleanup(func() { unix.Kill(stray, unix.SIGKILL) })
	eventually(t, "the zombie", func() bool { s, err := ReadStat(pids[2]); return err == nil && s.State == 'Z' })
	want := []int{p.pid, pids[0], pids[1]}
	slices.Sort(want)

	got, err := Members(p.pid)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	var g Groups
	for range 3 {
		got, err := g.Members(p.pid)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("groups %v, want %v", got, want)
		}
	}
	for _, pid := range want {
		unix.Kill(pid, unix.SIGKILL)
		eventually(t, strconv.Itoa(pid)+" leaves", func() bool {
			got, err := g.Members(p.pid)
			return err == nil && !slices.Contains(got, pid)
		})
	}
	if got, err := Members(p.pid); err != nil || len(got) != 0 {
		t.Errorf("after the end: %v, %v", got, err)
	}
}

// What is forked between two looks is found without another scan.
func TestGroupsFollowForks(t *testing.T) {
	program := `$| = 1; while (<STDIN>) { my $p = fork; if (!$p) { sleep 3600; exit } print "$p\n" }`
	path, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("perl is not installed")
	}
	c := exec.Command(path, "-e", program)
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	p := start(t, c, -1)
	r := bufio.NewReader(out)
	var g Groups
	want := []int{p.pid}
	for range 20 {
		got, err := g.Members(p.pid)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		in.Write([]byte("\n"))
		want = append(want, readNumbers(t, r, 1)[0])
		slices.Sort(want)
	}
	must(t, unix.Kill(-p.pid, unix.SIGKILL))
	for end := time.Now().Add(10 * time.Second); len(want) > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		var err error
		want, err = g.Members(p.pid)
		must(t, err)
	}
	if len(want) != 0 || len(g.members) != 0 {
		t.Errorf("%v of a group that was killed, %v remembered", want, g.members)
	}
}

// Threads take pids too, and answer getpgid(2).
func TestGroupsLeaveThreadsOut(t *testing.T) {
	group := unix.Getpgrp()
	var g Groups
	_, err := g.Members(group)
	must(t, err)
	tids := make(chan int)
	end := make(chan struct{})
	defer close(end)
	for range 10 {
		go func() {
			runtime.LockOSThread()
			tids <- unix.Gettid()
			<-end
		}()
	}
	var threads []int
	for range 10 {
		threads = append(threads, <-tids)
	}
	got, err := g.Members(group)
	must(t, err)
	for _, tid := range threads {
		if tid != os.Getpid() && slices.Contains(got, tid) {
			t.Fatalf("thread %d of process %d is listed as a process", tid, os.Getpid())
		}
	}
}
