package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// box is a machine inside this one: real systemd as PID 1 of its own mount, pid, cgroup, uts, ipc and network
// namespaces, over a copy-on-write view of this machine's root. Nothing done in it is seen outside, and nothing
// of it is left when its keeper ends: keeperScript removes all, even when the test process is killed.
type box struct {
	init int    // systemd's pid, seen from outside
	root string // the box's root directory, seen from outside
}

// newBox boots a box and ends it with the test. Several subtests may share one, with apps of different names.
func newBox(t *testing.T) *box {
	t.Helper()
	needBox(t)
	cgroup, err := cgroup2Mount()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "fcgisup-box-")
	if err != nil {
		t.Fatal(err)
	}
	b := &box{}
	b.boot(t, filepath.Join(cgroup, filepath.Base(dir)), dir)
	within(t, 60*time.Second, func() error {
		if state, _ := b.try("systemctl", "is-system-running"); strings.TrimSpace(state) != "running" {
			return fmt.Errorf("systemd in the box is %q\n%s", strings.TrimSpace(state), b.failures())
		}
		return nil
	})
	return b
}

// boot starts the keeper, whose standard input is the box's life line: it ends when this process does.
func (b *box) boot(t *testing.T, cgroup, dir string) {
	t.Helper()
	keeper := exec.Command("/bin/bash", "-c", keeperScript, "box-keeper", cgroup, dir, initScript)
	var stderr strings.Builder
	keeper.Stderr = &stderr
	keeper.WaitDelay = 10 * time.Second
	life, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = life.Close()
		_, _ = io.Copy(io.Discard, stdout)
		if err := keeper.Wait(); err != nil {
			t.Errorf("box keeper: %v\n%s", err, stderr.String())
		}
		b.assertGone(t, cgroup, dir)
	})
	words := bufio.NewScanner(stdout)
	words.Split(bufio.ScanWords)
	if !words.Scan() {
		t.Fatalf("box did not start:\n%s", stderr.String())
	}
	unshare, err := strconv.Atoi(words.Text())
	if err != nil || !words.Scan() || words.Text() != "ready" {
		t.Fatalf("box did not start: %q\n%s", words.Text(), stderr.String())
	}
	if b.init, err = onlyChild(unshare); err != nil {
		t.Fatal(err)
	}
	b.root = fmt.Sprintf("/proc/%d/root", b.init)
}

func (b *box) assertGone(t *testing.T, cgroup, dir string) {
	for _, path := range []string{cgroup, dir} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the box left %s behind (%v)", path, err)
		}
	}
}

// needBox skips where a box cannot be had, but not in CI: there these tests must run.
func needBox(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, for namespaces and systemd")
	}
	if testing.Short() {
		t.Skip("boots systemd; skipped by -short")
	}
	needFiles(t, "/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter", "/sbin/pivot_root",
		"/usr/sbin/nginx", "/usr/bin/dbus-daemon", "/usr/bin/perl")
}

// needFiles skips the test when one of the files is missing, and fails it in CI.
func needFiles(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("%s is missing: run testdata/install-deps", file)
		}
		t.Skipf("%s is missing: run testdata/install-deps", file)
	}
}

// cgroup2Mount is /sys/fs/cgroup on a pure cgroup2 machine and /sys/fs/cgroup/unified on a hybrid one.
func cgroup2Mount() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
	}
	return "", errors.New("cannot find a cgroup2 mount")
}

func onlyChild(pid int) (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(children)))
}
