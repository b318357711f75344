package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// memoryLimit is what the hungry member's supervisor and workers may have together.
const memoryLimit = 96 << 20

// starve puts what argv starts into a small memory cgroup, of either version.
func (f *fleet) starve(argv []string) ([]string, error) {
	dir, limit, err := f.memoryController()
	if err != nil {
		return argv, err
	}
	sweep(dir)
	group := filepath.Join(dir, filepath.Base(f.dir))
	if err := os.Mkdir(group, 0o755); err != nil {
		return argv, err
	}
	f.later(func() error { return removeSoon(group) })
	if err := os.WriteFile(filepath.Join(group, limit), []byte(strconv.Itoa(memoryLimit)), 0o644); err != nil {
		return argv, err
	}
	return append([]string{"/bin/sh", "-c", `echo $$ >"$0/cgroup.procs"; exec "$@"`, group}, argv...), nil
}

// stale is older than any run that may still need it.
const stale = time.Hour

// sweep removes the groups of runs that were killed: a hierarchy of its own outlives the box it was mounted in.
func sweep(dir string) {
	groups, _ := filepath.Glob(filepath.Join(dir, "chaos-*")) // the pattern is right
	for _, group := range groups {
		if st, err := os.Stat(group); err == nil && time.Since(st.ModTime()) > stale {
			_ = os.Remove(group) // busy: not stale after all
		}
	}
}

// memoryController finds it in the unified hierarchy, or in one of its own, which in a box is not mounted.
func (f *fleet) memoryController() (dir, limit string, err error) {
	const unified, single = "/sys/fs/cgroup", "/sys/fs/cgroup/memory"
	if text, err := os.ReadFile(unified + "/cgroup.controllers"); err == nil && slices.Contains(strings.Fields(string(text)), "memory") {
		return unified, "memory.max", os.WriteFile(unified+"/cgroup.subtree_control", []byte("+memory"), 0o644)
	}
	if exists(single + "/memory.limit_in_bytes") {
		return single, "memory.limit_in_bytes", nil
	}
	dir = filepath.Join(f.dir, "memory")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", "", err
	}
	if err := unix.Mount("chaos", dir, "cgroup", 0, "memory"); err != nil {
		return "", "", fmt.Errorf("no memory controller can be mounted: %w", err)
	}
	f.later(func() error { return unix.Unmount(dir, unix.MNT_DETACH) })
	return dir, "memory.limit_in_bytes", nil
}

// removeSoon removes a cgroup, which is busy until the last process in it is reaped.
func removeSoon(group string) error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := os.Remove(group); err == nil || time.Now().After(end) {
			return err
		}
	}
}
