package box

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Files are what a box needs of the machine.
var Files = []string{"/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter", "/sbin/pivot_root", "/usr/bin/dbus-daemon"}

// Changes is a directory of a box with what differs from this machine's files, as overlayfs keeps it: a removed file is a
// character device. Mounts of the box's own, such as /run and /tmp, are not in it.
const Changes = "/mnt"

// Box is a running machine; its methods may be used at the same time. Close ends it.
type Box struct {
	init   int    // systemd's pid, seen from outside
	cgroup string // the box's cgroup, seen from outside
	dir    string // where it is put together; empty outside its mount namespace
	life   io.Closer
	stdout io.Reader
	keeper *exec.Cmd
	stderr *strings.Builder
	door   door
}

// Boot returns when systemd in the box is "running", or with an error and nothing left; ctx limits only that. Of units the
// box has those of systemd, D-Bus, nginx and fcgiwrap.
func Boot(ctx context.Context) (*Box, error) { return boot(ctx, bareLayer) }

// BootWhole is Boot with the units of all packages, init scripts included, of which none is enabled. It takes longer, and so
// does each daemon-reload.
func BootWhole(ctx context.Context) (*Box, error) { return boot(ctx, wholeLayer) }

func boot(ctx context.Context, layer func() ([]byte, error)) (*Box, error) {
	cgroup, err := cgroup2Mount()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fcgisup-box-")
	if err != nil {
		return nil, fmt.Errorf("cannot boot a box: %w", err)
	}
	b := &Box{cgroup: filepath.Join(cgroup, filepath.Base(dir)), dir: dir, stderr: &strings.Builder{}}
	if err := b.start(layer); err != nil {
		return nil, fmt.Errorf("cannot boot a box: %w", err)
	}
	if err := b.settle(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot boot a box: %w", err), b.Close())
	}
	return b, nil
}

// start starts the keeper, whose standard input is the box's life line: it ends when this process does. The keeper is
// in a process group of its own, because ^C must reach it through the life line only.
func (b *Box) start(layer func() ([]byte, error)) error {
	files, err := memfile(layer)
	if err != nil {
		return errors.Join(err, os.Remove(b.dir))
	}
	defer files.Close()
	b.keeper = exec.Command("/bin/bash", "-c", keeperScript, "box-keeper", b.cgroup, b.dir, initScript)
	b.keeper.Stderr = b.stderr
	b.keeper.ExtraFiles = []*os.File{files}
	b.keeper.WaitDelay = 10 * time.Second
	b.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	life, err := b.keeper.StdinPipe()
	if err != nil {
		return errors.Join(err, os.Remove(b.dir))
	}
	stdout, err := b.keeper.StdoutPipe()
	if err != nil {
		return errors.Join(err, os.Remove(b.dir))
	}
	if err := b.keeper.Start(); err != nil {
		return errors.Join(err, os.Remove(b.dir))
	}
	b.life, b.stdout = life, stdout
	words := bufio.NewScanner(stdout)
	words.Split(bufio.ScanWords)
	words.Scan()
	unshare, err := strconv.Atoi(words.Text())
	if err == nil && (!words.Scan() || words.Text() != "ready") {
		err = errors.New("its file tree was not made")
	}
	if err == nil {
		b.init, err = onlyChild(unshare)
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return nil
}

// settle waits until systemd can be asked, and is then told when it has started.
func (b *Box) settle(ctx context.Context) error {
	for {
		state := "not listening yet"
		if _, err := os.Stat(b.Path("/run/systemd/private")); err == nil {
			out, _ := b.Command(ctx, "systemctl", "is-system-running", "--wait").Output()
			state = strings.TrimSpace(string(out))
		}
		switch {
		case state == "running":
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("systemd in it is %q: %w\n%s", state, ctx.Err(), b.Failures())
		case state == "degraded":
			return fmt.Errorf("systemd in it is %q\n%s", state, b.Failures())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Close kills the box and returns when all of it is gone; what is left after all is an error.
func (b *Box) Close() error {
	b.door.close()
	_ = b.life.Close()
	_, _ = io.Copy(io.Discard, b.stdout)
	var errs []error
	if err := b.keeper.Wait(); err != nil {
		errs = append(errs, fmt.Errorf("box keeper: %w\n%s", err, b.stderr))
	}
	for _, path := range []string{b.cgroup, b.dir} {
		if _, err := os.Stat(path); err == nil {
			errs = append(errs, fmt.Errorf("the box left %s behind", path))
		} else if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
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
