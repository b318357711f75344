package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keeper starts a supervisor, and starts it again when it has ended.
type keeper interface {
	start(ctx context.Context) error
	// pid is the supervisor's, 0 if there is none just now.
	pid() int
	// reload is what an admin does after an edit; it may return before it is done.
	reload(ctx context.Context) error
	// log is what the supervisor has logged in that time.
	log(from, to time.Time) string
	// stop ends it gently, and returns when it has ended.
	stop(ctx context.Context) error
}

// respawnPause is systemd's RestartSec=.
const respawnPause = 100 * time.Millisecond

// respawner is the least systemd there can be: it holds sockets, passes them on,
// and starts again what has ended.
type respawner struct {
	argv []string
	env  []string
	// sockets are held through all of it, and passed as LISTEN_FDS; none: the supervisor makes its own.
	sockets []*os.File
	names   string
	spawn   *spawner
	// shift is the clock's offset for the next supervisor, in seconds.
	shift atomic.Int64

	tail tail

	mu       sync.Mutex
	process  *os.Process
	stopping bool
	last     error
	pipe     *os.File
	done     chan struct{}
}

func (r *respawner) start(context.Context) error {
	r.done = make(chan struct{})
	first := make(chan error, 1)
	go r.keep(first)
	return <-first
}

// keep runs supervisors until stop.
func (r *respawner) keep(first chan<- error) {
	defer close(r.done)
	for {
		cmd, err := r.begin()
		if first != nil {
			first <- err
			first = nil
		}
		if err == nil {
			err = cmd.Wait()
		}
		r.mu.Lock()
		r.process, r.last = nil, err
		stopping := r.stopping
		r.mu.Unlock()
		if stopping {
			return
		}
		r.tail.add(fmt.Sprintf("(the supervisor has ended: %v)", err))
		time.Sleep(respawnPause)
	}
}

func (r *respawner) begin() (*exec.Cmd, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	// A small one, so that a reader that does not read is felt.
	_, _ = unix.FcntlInt(in.Fd(), unix.F_SETPIPE_SZ, 4096)
	argv := r.argv
	env := r.env
	if len(r.sockets) > 0 {
		// Only the process itself knows the number that LISTEN_PID must have.
		argv = append([]string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, argv...)
		env = append(env, "LISTEN_FDS="+strconv.Itoa(len(r.sockets)), "LISTEN_FDNAMES="+r.names)
	}
	if s := r.shift.Load(); s != 0 {
		text := strconv.FormatInt(s, 10)
		argv = append([]string{"unshare", "-T", "--monotonic", text, "--boottime", text, "--"}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	cmd.Stderr = in
	cmd.ExtraFiles = r.sockets
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return nil, errors.Join(errors.New("stopped before it began"), out.Close())
	}
	if err := r.spawn.start(cmd); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	r.process, r.pipe = cmd.Process, out
	go r.tail.follow(out)
	return cmd, nil
}

func (r *respawner) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return 0
	}
	return r.process.Pid
}

func (r *respawner) signal(sig syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return errors.New("there is no supervisor just now")
	}
	return r.process.Signal(sig)
}

func (r *respawner) reload(context.Context) error { return r.signal(syscall.SIGHUP) }

func (r *respawner) log(from, to time.Time) string { return r.tail.text(from, to) }

// closeLog closes the reading end: what the supervisor logs from now on is EPIPE.
func (r *respawner) closeLog() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pipe != nil {
		_ = r.pipe.Close()
		r.tail.close(true)
	}
}

func (r *respawner) stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopping = true
	if r.process != nil {
		_ = r.process.Signal(syscall.SIGTERM)
	}
	r.mu.Unlock()
	select {
	case <-r.done:
		return r.last
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("it did not end on SIGTERM: %w", ctx.Err()), r.signal(syscall.SIGKILL))
	}
}

// spawner starts all supervisors from one thread that outlives them: they must
// end with us, and PDEATHSIG is about the thread (prctl(2)).
type spawner struct{ work chan func() }

func (s *spawner) start(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	s.work <- func() { done <- cmd.Start() }
	return <-done
}
