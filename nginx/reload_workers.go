package nginx

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
)

// Process is one process, also when its number is used again.
type Process struct {
	PID int
	// Started is in clock ticks since boot, proc(5) "starttime".
	Started uint64
}

// titles of nginx's processes, which they write over their command lines.
const (
	masterTitle  = "nginx: master process"
	workerTitle  = "nginx: worker process"
	leavingTitle = "nginx: worker process is shutting down"
)

// Workers are the worker processes of the masters, those that finish their
// last requests after a reload included: they know the old configuration only.
func Workers(masters ...int) ([]Process, error) {
	return processes("/proc", workerTitle, append([]int{}, masters...))
}

// Leaving are those of the workers that take no new connections any more.
func Leaving(masters ...int) ([]Process, error) {
	return processes("/proc", leavingTitle, append([]int{}, masters...))
}

// Masters are the masters in this pid namespace: not those of containers. Any
// process can call itself one; these run nginx, as root or as our own user.
func Masters() ([]int, error) {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil, fmt.Errorf("cannot look for nginx: %w", err)
	}
	all, err := processes("/proc", masterTitle, nil)
	if err != nil {
		return nil, err
	}
	var masters []int
	for _, p := range all {
		dir := filepath.Join("/proc", strconv.Itoa(p.PID))
		space, err := os.Readlink(filepath.Join(dir, "ns/pid"))
		if err == nil && space == own && isNginx(dir, os.Geteuid()) {
			masters = append(masters, p.PID)
		}
	}
	return masters, nil
}

// isNginx returns true if a process is root's or our own, executes nginx and has
// the root directory that we have. What only root can see of a process of root is
// taken for right.
func isNginx(dir string, uid int) bool {
	owner, err := userOf(dir)
	if err != nil || owner != 0 && owner != uid {
		return false
	}
	switch exe, err := os.Readlink(filepath.Join(dir, "exe")); {
	case err == nil && !namesNginx(exe):
		return false
	case err != nil && !errors.Is(err, fs.ErrPermission):
		return false
	}
	theirs, err := os.Stat(filepath.Join(dir, "root") + "/")
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	ours, err2 := os.Stat("/")
	return err == nil && err2 == nil && os.SameFile(theirs, ours)
}

// namesNginx also takes what an upgrade has replaced, proc(5) /proc/PID/exe, and
// names such as nginx-debug.
func namesNginx(exe string) bool {
	return strings.HasPrefix(filepath.Base(exe), "nginx")
}

// userOf is the effective user of a process. The owner of its directory is root
// for any process that is not dumpable.
func userOf(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			if fields := strings.Fields(ids); len(fields) == 4 {
				return strconv.Atoi(fields[1])
			}
		}
	}
	return 0, fmt.Errorf("cannot read %s/status: it names no user", dir)
}

// processes are those with a title and, unless that is nil, one of these parents.
func processes(proc, title string, parents []int) ([]Process, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("cannot look for nginx: %w", err)
	}
	var all []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// A process may end between any two looks.
		line, err := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline"))
		if err != nil || !bytes.HasPrefix(line, []byte(title)) {
			continue
		}
		parent, started, err := origin(filepath.Join(proc, e.Name(), "stat"))
		if errors.Is(err, errNoProcess) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if parents == nil || slices.Contains(parents, parent) {
			all = append(all, Process{pid, started})
		}
	}
	return all, nil
}

var errNoProcess = errors.New("no such process")

// origin is who forked a process and when, proc(5) /proc/PID/stat fields 4 and 22.
func origin(stat string) (parent int, started uint64, err error) {
	data, err := os.ReadFile(stat)
	if errors.Is(err, fs.ErrNotExist) || err != nil && len(data) == 0 && !errors.Is(err, fs.ErrPermission) {
		return 0, 0, errNoProcess
	}
	if err != nil {
		return 0, 0, fmt.Errorf("cannot look at a process of nginx: %w", err)
	}
	// The name, field 2, is in parentheses and may hold some itself.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("cannot read %s: %d fields", stat, len(fields))
	}
	if parent, err = strconv.Atoi(fields[1]); err == nil {
		started, err = strconv.ParseUint(fields[19], 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read %s: %w", stat, err)
	}
	return parent, started, nil
}
