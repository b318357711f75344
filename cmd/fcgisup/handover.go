package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
)

// envHandover tells a program that it takes over: the descriptor with a
// handover, or "check" to say only whether it could.
const envHandover = "FCGISUP_HANDOVER"

// handover is what one program leaves for the next in the same process.
type handover struct {
	supervisor.Handover
	// Inherited: the sockets came from systemd.
	Inherited bool
	// only: this is no run but the question whether there could be one.
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

// programReplaced tells whether the file of this program is another one by now.
func programReplaced() bool {
	path, err := os.Executable()
	if err != nil {
		return false
	}
	now, err1 := os.Stat(path)
	running, err2 := os.Stat("/proc/self/exe")
	return err1 == nil && err2 == nil && !os.SameFile(now, running)
}

// checkTime bounds the question whether the next program can take over.
const checkTime = 10 * time.Second

// freeze ends the supervisor for a successor, if there is one that can take over.
func (r *runner) freeze(ctx context.Context, sup *supervisor.Supervisor, opt supervisor.Options) *supervisor.Handover {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	err := r.checkSuccessor(ctx, opt)
	if err == nil {
		var h supervisor.Handover
		if h, err = sup.Freeze(ctx); err == nil {
			r.log.Info("handing over to the new program")
			return &h
		}
	}
	r.log.Error("cannot hand over, going on as before", "error", err)
	return nil
}

// checkSuccessor has the program file say whether it runs here, reads the
// configuration, and knows the form of the handover.
func (r *runner) checkSuccessor(ctx context.Context, opt supervisor.Options) error {
	if opt.Reload != nil {
		if _, err := opt.Reload(); err != nil {
			return err
		}
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("fcgisup-check", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	out := os.NewFile(uintptr(fd), "output")
	defer out.Close()
	env := append(slices.Clone(opt.Environ), fmt.Sprintf("%s=check=%d", envHandover, supervisor.HandoverVersion))
	argv := append([]string{path}, os.Args[1:]...)
	switch exit, err := opt.Spawner.Command(ctx, argv, env, out); {
	case err != nil:
		return err
	case !exit.Clean():
		said, _ := io.ReadAll(io.NewSectionReader(out, 0, 1<<10)) // what it said is an extra
		return fmt.Errorf("the program at %s cannot take over: %s: %s", path, exit, strings.Join(strings.Fields(string(said)), " "))
	}
	return nil
}

// handOver replaces this program. It returns only with an error.
func (r *runner) handOver(spawner *supervisor.Spawner, h supervisor.Handover, inherited bool) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("fcgisup-handover", 0)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "handover")
	defer f.Close()
	if err := json.NewEncoder(f).Encode(handover{Handover: h, Inherited: inherited}); err != nil {
		return err
	}
	env := append(os.Environ(), fmt.Sprintf("%s=%d", envHandover, fd))
	return spawner.Exec(h.Keep, path, os.Args, env)
}
