package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// envHandover tells a program that it takes over: the descriptor with a
// handover, or "check" to say only whether it could.
const envHandover = "FCGISUP_HANDOVER"

// handover is what one program leaves for the next in the same process.
type handover struct {
	supervisor.Handover
	// Inherited: the sockets came from systemd.
	Inherited bool
	// Stopping: an order to stop came too late for the predecessor.
	Stopping bool
	// Config is the text of the configuration in force, in case the file is broken
	// by the time it is read again; empty for an app of a command line.
	Config []byte
	// only: this is not a run, but a test of whether one could start.
	only bool
}

func (h handover) resumes() bool { return len(h.Instances) > 0 }

// instances are those handed over, whatever the configuration says by now.
func (h handover) instances(a fcgisup.App) []fcgisup.Instance {
	var all []fcgisup.Instance
	for _, one := range h.Instances {
		all = append(all, a.Instance(one.Number))
	}
	return all
}

// takeHandover reads what a predecessor has left, if there is one.
func takeHandover() (handover, error) {
	var h handover
	text := os.Getenv(envHandover)
	if text == "" {
		return h, nil
	}
	if err := os.Unsetenv(envHandover); err != nil {
		return h, fmt.Errorf("internal error: %w", err)
	}
	if version, ok := strings.CutPrefix(text, "check="); ok {
		h.only = true
		if version != strconv.Itoa(supervisor.HandoverVersion) {
			return h, fmt.Errorf("cannot take over: the state would have version %s, this program knows %d", version, supervisor.HandoverVersion)
		}
		return h, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return h, fmt.Errorf("cannot take over: $%s is %q", envHandover, text)
	}
	f := os.NewFile(uintptr(fd), "handover")
	if f == nil {
		return h, fmt.Errorf("cannot take over: $%s is %q", envHandover, text)
	}
	defer f.Close()
	if err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<30)).Decode(&h); err != nil {
		return h, fmt.Errorf("cannot take over: %w", err)
	}
	return h, nil
}

// couldTakeOver is the line by which a successor is known as one.
const couldTakeOver = "fcgisup could take over"

// couldTakeOver says that this program could run the app: all that it needs has been found.
func (r *Runner) couldTakeOver(app fcgisup.App) error {
	if _, err := worker.NewLaunch(app, os.Environ()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(r.Out, couldTakeOver)
	return err
}

// programReplaced reports whether the file of this program is another one by now.
func (r *Runner) programReplaced() bool {
	now, err1 := os.Stat(r.program)
	running, err2 := os.Stat("/proc/self/exe")
	return err1 == nil && err2 == nil && !os.SameFile(now, running)
}

// checkTime bounds the question whether the next program can take over.
const checkTime = 10 * time.Second

// freeze ends the supervisor for a successor, if there is one that can take over.
func (r *Runner) freeze(ctx context.Context, sup *supervisor.Supervisor, opt supervisor.Options) *supervisor.Handover {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	err := r.checkSuccessor(ctx, opt)
	if err == nil {
		var h supervisor.Handover
		if h, err = sup.Suspend(ctx); err == nil {
			r.log.Info("executing the new program")
			return &h
		}
	}
	r.log.Error("cannot hand over to the new program, continuing with this one", "error", err)
	return nil
}

// checkSuccessor has the program file say whether it runs here, reads the
// configuration, and knows the form of the handover.
func (r *Runner) checkSuccessor(ctx context.Context, opt supervisor.Options) error {
	if opt.Reload != nil {
		if _, err := opt.Reload(); err != nil {
			return err
		}
	}
	fd, err := unix.MemfdCreate("fcgisup-check", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	out := os.NewFile(uintptr(fd), "output")
	defer out.Close()
	env := append(slices.Clone(opt.Environ), fmt.Sprintf("%s=check=%d", envHandover, supervisor.HandoverVersion))
	argv := append([]string{r.program}, os.Args[1:]...)
	exit, err := opt.Spawner.Command(ctx, argv, env, out)
	if err != nil {
		return fmt.Errorf("the program at %s cannot take over: %w", r.program, err)
	}
	said, _ := io.ReadAll(io.NewSectionReader(out, 0, 1<<10)) // nothing said is an answer, too
	if !exit.Clean() || strings.TrimSpace(string(said)) != couldTakeOver {
		return fmt.Errorf("the program at %s cannot take over: %s: %q", r.program, exit, strings.Join(strings.Fields(string(said)), " "))
	}
	return nil
}

// handOver replaces this program. It returns only with an error.
func (r *Runner) handOver(spawner *worker.Spawner, h supervisor.Handover, stopping, inherited bool) error {
	fd, err := unix.MemfdCreate("fcgisup-handover", 0)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "handover")
	defer f.Close()
	next := handover{Handover: h, Inherited: inherited}
	if text := r.source.text.Load(); text != nil {
		next.Config = *text
	}
	before := func() error {
		if err := h.KeepOpen(); err != nil {
			return err
		}
		// Ignored they are not fatal to a program that has no handlers yet. What
		// has come so far is not lost.
		signal.Ignore(handledSignals...)
		next.Stopping = stopping || r.toldToStop()
		return json.NewEncoder(f).Encode(next)
	}
	env := append(os.Environ(), fmt.Sprintf("%s=%d", envHandover, fd))
	err = spawner.Exec(before, r.program, os.Args, env)
	signal.Notify(r.signals, handledSignals...)
	return err
}

// toldToStop reports whether one of the signals that wait is an order to stop. A
// successor reads the configuration anyway, so the others are obeyed by it.
func (r *Runner) toldToStop() bool {
	for {
		select {
		case sig := <-r.signals:
			if sig == syscall.SIGTERM || sig == syscall.SIGINT {
				return true
			}
		default:
			return false
		}
	}
}
