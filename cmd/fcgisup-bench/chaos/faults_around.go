package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// fullDisk leaves neither space nor inodes, and then, by choice, kills a worker
// or a supervisor that is followed by another.
func (f *fleet) fullDisk(ctx context.Context, m *member, s Step) (string, error) {
	dir := filepath.Join(f.disk, fmt.Sprintf("fill-%d", f.rec.now()))
	if !isMount(f.disk) {
		return "", skip("there is no small disk")
	}
	if err := fill(dir); err != nil {
		return "", err
	}
	empty := sync.OnceValue(func() error { return os.RemoveAll(dir) })
	time.AfterFunc(s.Hold, func() { _ = empty() })
	var note string
	var err error
	switch s.Pick % 3 {
	case 1:
		note, err = f.killWorker(ctx, m, Step{Kind: KillWorker, Pick: s.Pick})
	case 2:
		note, err = f.killSupervisor(ctx, m, Step{Kind: KillSupervisor, Pick: s.Pick})
	}
	sleep(ctx, s.Hold)
	return "full; " + note, errors.Join(err, empty())
}

// fill takes all space and inodes of a file system.
func fill(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return skip("%v", err) // full already
	}
	big, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		return errors.Join(skip("%v", err), os.RemoveAll(dir))
	}
	defer big.Close()
	for chunk := int64(8 << 20); chunk >= 4096; {
		at, err := big.Seek(0, 2)
		if err == nil {
			err = unix.Fallocate(int(big.Fd()), 0, at, chunk)
		}
		if err != nil {
			chunk /= 2
		}
	}
	for n := 0; ; n++ {
		small, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			return nil // that is what full means
		}
		_ = small.Close()
	}
}

func isMount(dir string) bool {
	var a, b unix.Stat_t
	return unix.Lstat(dir, &a) == nil && unix.Lstat(filepath.Dir(dir), &b) == nil && a.Dev != b.Dev
}

// slowDisk delays every open and every execution on the small disk, by
// fanotify(7) permission events; and kills a worker, so that there is one.
func (f *fleet) slowDisk(ctx context.Context, m *member, s Step) (string, error) {
	if !isMount(f.disk) {
		return "", skip("there is no small disk")
	}
	delay := time.Duration(50+s.Pick%300) * time.Millisecond
	release, err := slow(f.disk, delay)
	if err != nil {
		return "", skip("%v", err)
	}
	note, err := f.killWorker(ctx, m, Step{Kind: KillWorker, Pick: s.Pick})
	sleep(ctx, s.Hold)
	opens := release()
	if _, skipped := isSkip(err); skipped {
		err = nil
	}
	return fmt.Sprintf("%d opens delayed by %v; %s", opens, delay, note), err
}

// slow delays the opens of all but this process until release is called, which
// tells how many there were. The whole file system is marked: a unit sees it
// through mounts of its own.
func slow(dir string, delay time.Duration) (release func() int, err error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("no fanotify: %w", err)
	}
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, unix.FAN_OPEN_PERM|unix.FAN_OPEN_EXEC_PERM, unix.AT_FDCWD, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("no fanotify: %w", err), unix.Close(fd))
	}
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		var answers sync.WaitGroup
		opens := 0
		for stop := false; !stop; {
			select {
			case <-done:
				stop = true
			case <-time.After(2 * time.Millisecond):
			}
			for _, e := range events(fd) {
				opens++
				answers.Go(func() {
					if int(e.Pid) != os.Getpid() {
						select {
						case <-done:
						case <-time.After(delay):
						}
					}
					allow(fd, e.Fd)
				})
			}
		}
		answers.Wait()
		_ = unix.Close(fd) // what waits still is allowed by that
		ended <- opens
	}()
	return func() int { close(done); return <-ended }, nil
}

// deafLog: no process reads what the supervisor logs, for a while; a worker is
// killed so that there is something to log.
func (f *fleet) deafLog(ctx context.Context, m *member, s Step) (string, error) {
	r, ok := m.keeper.(*respawner)
	if !ok {
		return "", skip("its log is the journal")
	}
	hear := r.tail.deafen()
	defer hear()
	note, err := f.killWorker(ctx, m, Step{Kind: KillWorkers, Pick: s.Pick})
	sleep(ctx, s.Hold)
	return note, err
}

// closedLog: standard error is closed at the other end, for good.
func (f *fleet) closedLog(ctx context.Context, m *member, s Step) (string, error) {
	r, ok := m.keeper.(*respawner)
	if !ok {
		return "", skip("its log is the journal")
	}
	r.closeLog()
	return f.killWorker(ctx, m, Step{Kind: KillWorker, Pick: s.Pick})
}

// noBus stops D-Bus, and has systemd's members reload meanwhile.
func (f *fleet) noBus(ctx context.Context, m *member, s Step) (string, error) {
	if m.hold != bySystemd {
		return "", skip("systemd has no part in it")
	}
	if _, err := command(ctx, "systemctl", "stop", "dbus.service", "dbus.socket"); err != nil {
		return "", skip("%v", err)
	}
	note, err := f.killWorker(ctx, m, Step{Kind: KillWorker, Pick: s.Pick})
	sleep(ctx, s.Hold)
	_, started := command(ctx, "systemctl", "start", "dbus.socket", "dbus.service")
	if _, skipped := isSkip(err); skipped {
		err = nil
	}
	return note, errors.Join(err, started)
}

// noJournal kills the journal, which closes the standard error of all services, or stops it.
func (f *fleet) noJournal(ctx context.Context, m *member, s Step) (string, error) {
	if m.hold != bySystemd {
		return "", skip("its log is not the journal")
	}
	signals := []string{"KILL"}
	if s.Pick%2 == 0 {
		signals = []string{"STOP", "CONT"}
	}
	var errs []error
	for n, sig := range signals {
		if n > 0 {
			sleep(ctx, s.Hold)
		}
		_, err := command(ctx, "systemctl", "kill", "-s", sig, "systemd-journald.service")
		errs = append(errs, err)
		if n == 0 {
			_, err = f.killWorker(ctx, m, Step{Kind: KillWorker, Pick: s.Pick})
			if _, skipped := isSkip(err); !skipped {
				errs = append(errs, err)
			}
		}
	}
	return strings.Join(signals, ", "), errors.Join(errs...)
}

// reloadNginx has nginx reload under requests.
func (f *fleet) reloadNginx(context.Context, *member, Step) (string, error) {
	if f.nginx == nil {
		return "", skip("there is no nginx")
	}
	return "", f.nginx.reload()
}
