package scoreboard

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAcceptingByEveryCall(t *testing.T) {
	for _, name := range []string{"accept", "poll", "select", "epoll", "net"} {
		t.Run(name, func(t *testing.T) {
			l := listenUnix(t, 8)
			p := role(t, name, l.fd)
			await(t, p.pid, l, InAccept)
			eventually(t, "asleep", func() bool { return Sleeps(p.pid) })
			if a, _ := Accepting(p.pid, l.Inode()+1); a.State != Other {
				t.Errorf("about another listener: %+v", a)
			}
			p.signal(t, unix.SIGSTOP)
			eventually(t, "stopped", func() bool { ok, err := Stopped(p.pid); return err == nil && ok })
			if Sleeps(p.pid) {
				t.Error("a stopped process sleeps")
			}
			if a, err := Accepting(p.pid, l.Inode()); err != nil || a.State != Other || !strings.Contains(a.Reason, "T") {
				t.Errorf("while stopped: %+v, %v", a, err)
			}
			p.signal(t, unix.SIGCONT)
			await(t, p.pid, l, InAccept)
			if ok, err := Stopped(p.pid); ok || err != nil {
				t.Errorf("after SIGCONT: stopped %v, %v", ok, err)
			}
			c := dial(t, l)
			wantConns(t, l, 1)
			if name != "net" { // a server with goroutines goes on accepting
				await(t, p.pid, l, Other)
			}
			c.send(t)
			wantConns(t, l, 0)
			await(t, p.pid, l, InAccept)
		})
	}
}

func TestNotAccepting(t *testing.T) {
	for name, want := range map[string]State{
		"sleep": Other, "poll-elsewhere": Other, "select-elsewhere": Other, "epoll-elsewhere": Other,
		"epoll-deaf": Other, "epoll-nested": Polling,
	} {
		t.Run(name, func(t *testing.T) {
			l := listenUnix(t, 8)
			p := role(t, name, l.fd)
			call, _, _ := strings.Cut(name, "-")
			if call != "sleep" {
				await(t, p.pid, l, want)
				eventually(t, "the call", func() bool { return blockedIn(p.pid, call) })
			}
			if a, err := Accepting(p.pid, l.Inode()); err != nil || a.State != want {
				t.Errorf("%+v, %v; want %s", a, err, want)
			}
		})
	}
}

// blockedIn reports whether a thread other than the runtime's own waits in a call.
func blockedIn(pid int, name string) bool {
	found := false
	tids, _ := numbersIn(procDir(pid) + "/task")
	for _, tid := range tids {
		c, kind, err := (thread{pid, tid}).call()
		found = found || err == nil && map[string]callKind{
			"poll": pollCall, "select": selectCall, "epoll": epollCall,
		}[name] == kind && (kind != pollCall || c.args[1] > 0)
	}
	return found
}

func TestSingleThreadedWorker(t *testing.T) {
	l := listenUnix(t, 8)
	p := perl(t, perlWorker, l.fd)
	await(t, p.pid, l, InAccept)
	c := dial(t, l)
	conn := wantConns(t, l, 1)[0]
	eventually(t, "it reads from the client", func() bool {
		list, err := Reading(p.pid)
		must(t, err)
		return slices.Equal(list, []Inode{conn.Inode})
	})
	c.send(t)
	await(t, p.pid, l, InAccept)
	if list, err := Reading(p.pid); err != nil || len(list) != 0 {
		t.Errorf("reads %v in accept (%v)", list, err)
	}
	main := thread{p.pid, p.pid}
	if a := main.byWchan(unix.EPERM); a.State != Polling || !strings.Contains(a.Reason, unix.EPERM.Error()) {
		t.Errorf("without its syscall: %+v", a)
	}
}

// A poll(2) goes on under the number of restart_syscall(2) after SIGCONT. Programs
// of architectures without poll(2) are given ppoll(2), which does not.
func TestPollAfterStop(t *testing.T) {
	number := map[string]int{"amd64": 7}[runtime.GOARCH]
	if number == 0 {
		t.Skip("no poll(2) on " + runtime.GOARCH)
	}
	l := listenUnix(t, 8)
	p := perl(t, `my $s = pack("lss", 0, 1, 0); syscall(`+strconv.Itoa(number)+`, $s, 1, -1); sleep 3600`, l.fd)
	await(t, p.pid, l, InAccept)
	p.signal(t, unix.SIGSTOP)
	eventually(t, "stopped", func() bool { ok, err := Stopped(p.pid); return err == nil && ok })
	p.signal(t, unix.SIGCONT)
	await(t, p.pid, l, InAccept)
}

// A process whose first thread has ended looks like a zombie, and is none.
func TestHeadlessProcess(t *testing.T) {
	l := listenUnix(t, 8)
	p := role(t, "headless", l.fd)
	eventually(t, "the first thread's end", func() bool { s, err := ReadStat(p.pid); return err == nil && s.State == 'Z' })
	await(t, p.pid, l, InAccept)
	if list, err := Members(p.pid); err != nil || !slices.Equal(list, []int{p.pid}) {
		t.Errorf("members %v, %v", list, err)
	}
	if ok, err := Stopped(p.pid); ok || err != nil {
		t.Errorf("stopped %v, %v", ok, err)
	}
	dial(t, l)
	wantHeld(t, []int{p.pid}, wantConns(t, l, 1))
	if _, _, err := Memory(p.pid); !errors.Is(err, ErrUnsupported) {
		t.Errorf("memory: %v", err)
	}
	p.signal(t, unix.SIGSTOP)
	eventually(t, "stopped", func() bool { ok, err := Stopped(p.pid); return err == nil && ok })
}

func TestGone(t *testing.T) {
	p := role(t, "sleep", -1)
	must(t, unix.Kill(p.pid, unix.SIGKILL))
	eventually(t, "a zombie", func() bool { s, err := ReadStat(p.pid); return err == nil && s.State == 'Z' })
	if a, err := Accepting(p.pid, 1); err != nil || a.State != Other {
		t.Errorf("a zombie: %+v, %v", a, err)
	}
	p.Wait()
	_, errStat := ReadStat(p.pid)
	_, errStopped := Stopped(p.pid)
	a, errAccepting := Accepting(p.pid, 1)
	_, errReading := Reading(p.pid)
	_, _, errMemory := Memory(p.pid)
	for i, err := range []error{errStat, errStopped, errAccepting, errReading, errMemory} {
		if !errors.Is(err, ErrGone) {
			t.Errorf("%d: %v, want ErrGone", i, err)
		}
	}
	if a.State != Unknown {
		t.Errorf("state %s", a.State)
	}
	if h := Holds([]int{p.pid}, []Conn{{Inode: 1}}); len(h.Unreadable) != 0 || len(h.By) != 0 {
		t.Errorf("%+v", h)
	}
	if e := Gather(p.pid); len(e.Missing) == 0 {
		t.Errorf("%+v", e)
	}
}

func TestStatOfAWildName(t *testing.T) {
	p := perl(t, `$0 = "a) R 1 (b"; open(my $c, ">", "/proc/self/comm"); print $c "x) Z (y"; close $c; sleep 3600`, -1)
	eventually(t, "the name", func() bool { s, err := ReadStat(p.pid); return err == nil && s.Command == "x) Z (y" })
	s, err := ReadStat(p.pid)
	must(t, err)
	if s.PID != p.pid || s.Parent != os.Getpid() || s.Group != p.pid || s.Threads != 1 || s.Start == 0 || !s.Alive() {
		t.Errorf("%+v", s)
	}
}

func TestMemory(t *testing.T) {
	n, kind, err := Memory(os.Getpid())
	if err != nil || kind != PSS || n < 1<<20 || n > 1<<40 {
		t.Errorf("%d %s %v", n, kind, err)
	}
}

func TestEvidence(t *testing.T) {
	l := listenUnix(t, 8)
	p := perl(t, perlWorker, l.fd)
	await(t, p.pid, l, InAccept)
	e := Gather(p.pid)
	if e.Stat.PID != p.pid || len(e.Threads) != 1 || len(e.Command) != 3 || e.Command[1] != "-e" ||
		!slices.Contains(e.Sockets, "0 socket:["+strconv.FormatUint(uint64(l.Inode()), 10)+"]") {
		t.Fatalf("%+v", e)
	}
	if th := e.Threads[0]; th.Wchan == "" || th.Syscall == "" || (th.Stack == "" && len(e.Missing) == 0) {
		t.Errorf("%+v", th)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("worker killed", "evidence", e)
	for _, want := range []string{"evidence.pid=" + strconv.Itoa(p.pid), "evidence.state=S", "wchan=" + e.Threads[0].Wchan} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s lacks %s", b.String(), want)
		}
	}
}

// TestSleeps: a process that computes, or that has ended, does not sleep.
func TestSleeps(t *testing.T) {
	busy := exec.Command("/bin/sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it computes", func() bool { s, err := ReadStat(busy.Process.Pid); return err == nil && s.State == 'R' })
	for range 10 {
		if Sleeps(busy.Process.Pid) {
			t.Error("it sleeps while it computes")
		}
	}
	_ = busy.Process.Kill()
	_ = busy.Wait()
	if Sleeps(busy.Process.Pid) {
		t.Error("an ended process sleeps")
	}
}
