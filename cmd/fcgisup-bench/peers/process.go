package peers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Workers are the processes that run the program, Supervisors those of the rest whose parents are not among them: who
// would be killed to kill the manager. Helpers is all that is not a worker.
type Workers struct {
	Workers, Supervisors, Helpers []int
}

// Processes looks who is there now.
func (s *Service) Processes() Workers {
	var found Workers
	parents := map[int]int{}
	for _, pid := range s.pids() {
		argv, parent, ok := inspect(pid)
		if !ok {
			continue
		}
		if s.isWorker(argv) {
			found.Workers = append(found.Workers, pid)
			continue
		}
		parents[pid] = parent
	}
	for pid, parent := range parents {
		found.Helpers = append(found.Helpers, pid)
		if _, inner := parents[parent]; !inner {
			found.Supervisors = append(found.Supervisors, pid)
		}
	}
	slices.Sort(found.Workers)
	slices.Sort(found.Helpers)
	slices.Sort(found.Supervisors)
	return found
}

// isWorker: the program is the first argument, or the first of an interpreter that is not an option; PHP-FPM names its
// children itself.
func (s *Service) isWorker(argv []string) bool {
	script := slices.IndexFunc(argv[1:], func(a string) bool { return !strings.HasPrefix(a, "-") })
	return argv[0] == s.Spec.Program.File || script >= 0 && argv[1+script] == s.Spec.Program.File || strings.HasPrefix(argv[0], "php-fpm: pool ")
}

// inspect reads a process's arguments and parent; zombies are not there.
func inspect(pid int) (argv []string, parent int, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, 0, false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return nil, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return nil, 0, false
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(line) == 0 {
		return nil, 0, false
	}
	return strings.Split(strings.TrimRight(string(line), "\x00"), "\x00"), parent, true
}

// pids is everything that is the service's, by its control groups or, without systemd, by descent.
func (s *Service) pids() []int {
	if !s.host.Systemd {
		var all []int
		for _, root := range s.roots {
			all = append(append(all, root), descendants(root)...)
		}
		return all
	}
	var all []int
	for _, pattern := range s.cgroups {
		dirs, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", pattern))
		for _, dir := range dirs {
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.Name() == "cgroup.procs" {
					all = append(all, numbers(path)...)
				}
				return nil // what is gone has no processes
			})
		}
	}
	return all
}

// CPU is the processor time that all of its processes have used, those that have ended included; false without
// systemd, whose control groups count it (cgroup2's cpu.stat).
func (s *Service) CPU() (time.Duration, bool) {
	var sum time.Duration
	found := false
	for _, pattern := range s.cgroups {
		files, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", pattern, "cpu.stat"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // it has just ended
			}
			var micros int64
			if _, err := fmt.Sscanf(string(text), "usage_usec %d", &micros); err == nil {
				sum, found = sum+time.Duration(micros)*time.Microsecond, true
			}
		}
	}
	return sum, found && s.host.Systemd
}

func numbers(path string) []int {
	text, _ := os.ReadFile(path)
	var all []int
	for field := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(field); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// descendants of a process, of all its threads' children.
func descendants(pid int) []int {
	var all []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		for _, child := range numbers(file) {
			all = append(append(all, child), descendants(child)...)
		}
	}
	return all
}

// becomeReaper has what our processes leave behind become our children, so that it can be found.
func becomeReaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become the reaper of orphans: %w", err)
	}
	return nil
}

// endDescendants kills whatever descends from us until nothing does.
func endDescendants() error {
	for range 100 {
		left := descendants(os.Getpid())
		if len(left) == 0 {
			return nil
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("cannot end what was started: it does not die")
}
