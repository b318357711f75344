// Program worker is the program that the tests of package supervisor supervise, in as many roles as there are ways of
// programs to behave. It does not speak FastCGI: a request is a line. It is a program of its own, because the test binary with
// its race detector takes twenty times as long to start.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// roleVariable names the role.
	roleVariable = "FCGISUP_TEST_ROLE"
	// markVariable names a file that some roles look for or make.
	markVariable = "FCGISUP_TEST_MARK"
	// numberVariable is how many requests crash-after-n serves.
	numberVariable = "FCGISUP_TEST_NUMBER"
)

// lifetime ends a worker that a broken test has left behind.
const lifetime = 3 * time.Minute

func main() {
	time.AfterFunc(lifetime, func() { os.Exit(99) })
	runtime.LockOSThread()
	name := os.Getenv(roleVariable)
	role, ok := roles()[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such role:", name)
		os.Exit(98)
	}
	os.Exit(role())
}

// roles are what a worker can be; each returns its exit status. All have the listener on fd 0, and most meet a client as a
// libfcgi program does: one at a time, by blocking accept(2), exit 0 on any error from it.
func roles() map[string]func() int {
	return map[string]func() int{
		"serve": func() int {
			dieOfTerm()
			return serve(-1)
		},
		"serve-go":  serveGo,
		"poll-only": pollOnly,
		"ignore-term": func() int {
			signal.Ignore(syscall.SIGTERM)
			return serve(-1)
		},
		"slow-start": func() int {
			time.Sleep(500 * time.Millisecond)
			return serve(-1)
		},
		"exit-0":         func() int { return 0 },
		"own-socket":     bindsItsOwn,
		"prints-page":    printPage,
		"becomes-daemon": becomeDaemon,
		"naps":           nap,
		"exit-1":         func() int { return complain() },
		"crash-after-n": func() int {
			n, _ := strconv.Atoi(os.Getenv(numberVariable))
			serve(n)
			return complain()
		},
		"finish-after-n": func() int {
			n, _ := strconv.Atoi(os.Getenv(numberVariable))
			return serve(n)
		},
		"fails-until-marked": func() int {
			if !marked() {
				return complain()
			}
			return serve(-1)
		},
		"never-accept":    func() int { return hang() },
		"accept-and-hang": acceptAndHang,
		"closes-fd-0": func() int {
			_ = unix.Close(0)
			return hang()
		},
		"fork-grandchild":         func() int { return forkGrandchild("serve") },
		"forks-sessions":          func() int { return forkSessions("serve") },
		"forks-stubborn-sessions": func() int { return forkSessions("ignore-term") },
		"fork-stubborn":           func() int { return forkGrandchild("ignore-term") },
		"leader-leaves":           func() int { return leave("slow-start", &syscall.SysProcAttr{}) },
		"leader-leaves-late": func() int {
			defer time.Sleep(300 * time.Millisecond)
			return leave("serve", &syscall.SysProcAttr{})
		},
		"double-fork-away":        func() int { return leave("serve", &syscall.SysProcAttr{Setsid: true}) },
		"sets-nonblock-and-exits": setsNonblockAndExits,
	}
}

func complain() int {
	fmt.Fprintln(os.Stderr, "cannot find the database")
	fmt.Fprintln(os.Stderr, "giving up")
	return 1
}

func hang() int {
	for {
		time.Sleep(time.Hour)
	}
}

func marked() bool {
	_, err := os.Stat(os.Getenv(markVariable))
	return err == nil
}

// serve answers limit requests, or for ever.
func serve(limit int) int {
	for n := 0; n != limit; n++ {
		fd, err := accept()
		if err != nil {
			return 0 // as libfcgi does
		}
		meet(fd)
	}
	return 0
}

// dieOfTerm takes Go's handler off: it lets other threads run on for a moment,
// while the kernel's own disposition ends all of them at once.
func dieOfTerm() {
	var action [32]byte // struct sigaction of zeros: SIG_DFL, no flags, no mask
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGTERM), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	if errno != 0 {
		panic(errno)
	}
}

func accept() (int, error) {
	for {
		fd, _, err := unix.Accept4(0, unix.SOCK_CLOEXEC)
		if err != unix.EINTR && err != unix.ECONNABORTED {
			return fd, err
		}
	}
}

func pollOnly() int {
	dieOfTerm()
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: 0, Events: unix.POLLIN}}, -1); err != nil && err != unix.EINTR {
			return 1
		} else if err == nil {
			if fd, err := accept(); err == nil {
				meet(fd)
			}
		}
	}
}

// serveGo is what net/http/fcgi does: package net makes the description that
// all workers share non-blocking, and waits in epoll.
func serveGo() int {
	l, err := net.FileListener(os.Stdin)
	if err != nil {
		return complain()
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return complain()
		}
		go answer(conn)
	}
}

func acceptAndHang() int {
	for {
		if _, err := accept(); err != nil {
			return 0
		}
	}
}

// forkGrandchild leaves the serving to a child in the same process group.
func forkGrandchild(role string) int {
	child := again(role)
	if err := child.Start(); err != nil {
		return complain()
	}
	_ = child.Wait()
	return 0
}

// forkSessions has three children, each in a session of its own, and waits for them, as su(1) does for one.
func forkSessions(role string) int {
	var children []*exec.Cmd
	for range 3 {
		child := again(role)
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return complain()
		}
		children = append(children, child)
	}
	_ = unix.Close(0) // it accepts nothing itself
	for _, child := range children {
		_ = child.Wait()
	}
	return 0
}

func leave(role string, attr *syscall.SysProcAttr) int {
	child := again(role)
	child.SysProcAttr = attr
	if err := child.Start(); err != nil {
		return complain()
	}
	return 0
}

// again is this program in another role, with our descriptors.
func again(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// setsNonblockAndExits spoils the shared description once, as a Go program
// would, and serves like libfcgi from its second start on.
func setsNonblockAndExits() int {
	if marked() {
		return serve(-1)
	}
	if os.WriteFile(os.Getenv(markVariable), nil, 0o600) != nil || unix.SetNonblock(0, true) != nil {
		return 97
	}
	for {
		_, _ = unix.Poll([]unix.PollFd{{Fd: 0, Events: unix.POLLIN}}, -1)
		if fd, err := accept(); err == nil {
			meet(fd)
			return 0
		}
	}
}

// meet serves one client without package net.
func meet(fd int) {
	f := os.NewFile(uintptr(fd), "client")
	answer(f)
}

// answer reads one line, does what it says and answers with our pid, the
// result, and the word end, so that a cut answer is seen as one.
func answer(c io.ReadWriteCloser) {
	defer c.Close()
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	if line == "hold\n" {
		_, _ = io.WriteString(c, holding)
		hang()
	}
	fmt.Fprintf(c, "%d\n%s\nend\n", os.Getpid(), obey(in, strings.Fields(line)))
}

// holding is the beginning of an answer that never ends.
const holding = "holding"

func obey(in io.Reader, words []string) string {
	if len(words) == 0 {
		return ""
	}
	switch words[0] {
	case "sleep":
		d, _ := time.ParseDuration(words[1])
		time.Sleep(d)
	case "upload":
		n, _ := strconv.Atoi(words[1])
		got, _ := io.CopyN(io.Discard, in, int64(n))
		return strconv.FormatInt(got, 10)
	case "env":
		return strings.Join(os.Environ(), "\n")
	case "cwd":
		dir, _ := os.Getwd()
		return dir
	case "parent":
		return strconv.Itoa(os.Getppid())
	case "fds":
		return strings.Join(openFDs(), "\n")
	case "orphans": // three that end after their parents, one in a session of its own
		_ = exec.Command("/bin/sh", "-c", "(sleep 0.1 &) ; (sleep 0.2 &) ; setsid sh -c 'sleep 0.3 &'").Run()
	case "crash":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case "flags":
		flags, _ := unix.FcntlInt(0, unix.F_GETFL, 0)
		return strconv.FormatBool(flags&unix.O_NONBLOCK != 0)
	}
	return ""
}

// openFDs are the open descriptors that an exec would pass on, without opening any.
func openFDs() []string {
	var open []string
	for fd := range 1024 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			open = append(open, strconv.Itoa(fd))
		}
	}
	return open
}

// bindsItsOwn listens on a socket of its own, and not on descriptor 0.
func bindsItsOwn() int {
	l, err := net.Listen("unix", filepath.Join(filepath.Dir(os.Getenv(markVariable)), "own.sock"))
	if err != nil {
		return 1
	}
	dieOfTerm()
	_, _ = l.Accept()
	return 0
}

// printPage is a CGI program.
func printPage() int {
	_, _ = os.Stdout.WriteString("Content-Type: text/plain\r\n\r\nhello\n")
	return 0
}

// becomeDaemon leaves a process behind that has neither the group nor the listener.
func becomeDaemon() int {
	_ = syscall.Close(0)
	return leave("naps", &syscall.SysProcAttr{Setsid: true})
}

// nap lives for a while, and does not serve.
func nap() int {
	time.Sleep(5 * time.Second)
	return 0
}
