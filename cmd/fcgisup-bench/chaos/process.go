package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one that cannot be mistaken for a later one with its number.
type process struct {
	pid int
	fd  int // pidfd
}

func openProcess(pid int) (process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return process{}, fmt.Errorf("cannot hold process %d: %w", pid, err)
	}
	return process{pid, fd}, nil
}

// openProcesses leaves out those that have gone.
func openProcesses(pids []int) []process {
	var all []process
	for _, pid := range pids {
		if p, err := openProcess(pid); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func closeProcesses(all []process) {
	for _, p := range all {
		_ = unix.Close(p.fd)
	}
}

// signal is about this process only; one that is gone is not an error.
func (p process) signal(sig unix.Signal) error {
	err := unix.PidfdSendSignal(p.fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

func signalAll(all []process, sig unix.Signal) {
	for _, p := range all {
		_ = p.signal(sig)
	}
}

func (p process) gone() bool {
	err := unix.PidfdSendSignal(p.fd, 0, nil, 0)
	return errors.Is(err, unix.ESRCH) || stateOf(p.pid) == 'Z'
}

// stopAll stops processes and returns when none of them runs, or after a while.
func stopAll(all []process) {
	signalAll(all, unix.SIGSTOP)
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if !slices.ContainsFunc(all, process.runs) {
			return
		}
	}
}

// runs reports whether it is neither stopped nor dead.
func (p process) runs() bool {
	s := stateOf(p.pid)
	return s != 0 && s != 'T' && s != 't' && s != 'Z' && s != 'X'
}

// stat is /proc/PID/stat after the name in parentheses: state, ppid, pgrp, …
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// stateOf is a process's state, 0 if there is none.
func stateOf(pid int) byte {
	if f := stat(pid); len(f) > 0 {
		return f[0][0]
	}
	return 0
}

func allPIDs() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// descendants are all living processes below one.
func descendants(of int) []int {
	children := map[int][]int{}
	for _, pid := range allPIDs() {
		if f := stat(pid); len(f) > 1 && f[0] != "Z" {
			if parent, err := strconv.Atoi(f[1]); err == nil {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	var all []int
	for todo := children[of]; len(todo) > 0; {
		all = append(all, todo[0])
		todo = append(todo[1:], children[todo[0]]...)
	}
	slices.Sort(all)
	return all
}

// commandLine is for people.
func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // gone: empty
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}

// descriptors are a process's open ones, as readlink(2) gives them.
func descriptors(pid int) (map[int]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	all := map[int]string{}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			all[fd], _ = os.Readlink(filepath.Join(dir, e.Name())) // closed meanwhile: empty
		}
	}
	return all, nil
}

// memory is a process's resident set in bytes.
func memory(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0, fmt.Errorf("cannot read the memory of process %d: %q", pid, text)
	}
	pages, err := strconv.ParseUint(f[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// limitFiles sets the soft limit of open files; restore sets it back.
func limitFiles(ctx context.Context, pid int, soft uint64) (restore func() error, err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		if old.Cur, err = softFiles(pid); err != nil {
			return nil, err
		}
	}
	set := func(to uint64) error {
		limit := old
		if limit.Cur = to; old.Max != 0 && unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil) == nil {
			return nil
		}
		// Without CAP_SYS_RESOURCE only the process's own user may do that, prlimit(2).
		var st unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d", pid), &st); err != nil {
			return fmt.Errorf("cannot limit the files of process %d: %w", pid, err)
		}
		_, err := command(ctx, "setpriv", fmt.Sprintf("--reuid=%d", st.Uid), fmt.Sprintf("--regid=%d", st.Gid), "--clear-groups",
			"prlimit", "--pid", strconv.Itoa(pid), fmt.Sprintf("--nofile=%d:", to))
		return err
	}
	return func() error { return set(old.Cur) }, set(soft)
}

// softFiles is the soft limit, from /proc/PID/limits, which needs no privilege that prlimit(2) does.
func softFiles(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return 0, fmt.Errorf("cannot read the limits of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				return strconv.ParseUint(f[0], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("cannot read the limits of process %d: no open files in them", pid)
}
