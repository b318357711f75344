package box

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// namespaces are those that unshare(1) makes for a box.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET

// door is a thread in a box's namespaces, from which commands are started there: nsenter(1) would be another program for each
// of them. The first that goes through makes it.
type door struct {
	mu     sync.Mutex
	closed bool
	starts chan start
}

type start struct {
	command *exec.Cmd
	result  chan error
}

// start is command.Start in the box with this init, whose PATH decides if the name of the program has no slash.
func (d *door) start(init int, command *exec.Cmd) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errors.New("the box is closed")
	}
	if d.starts == nil {
		starts := make(chan start)
		opened := make(chan error)
		go func() { onThreadOfItsOwn(func() { serve(init, starts, opened) }) }()
		if err := <-opened; err != nil {
			return err
		}
		d.starts = starts
	}
	s := start{command, make(chan error)}
	d.starts <- s
	return <-s.result
}

// close ends the thread, which would keep the box's mounts.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.starts != nil && !d.closed {
		close(d.starts)
	}
	d.closed = true
}

// onThreadOfItsOwn runs f on a thread that ends with it. The process's first thread would not end, and what /proc says of the
// process is that thread's.
func onThreadOfItsOwn(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			onThreadOfItsOwn(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// serve starts commands in the box until there are no more.
func serve(init int, starts <-chan start, opened chan<- error) {
	err := enter(init)
	opened <- err
	if err != nil {
		return
	}
	for s := range starts {
		if found, err := lookPath(s.command.Args[0]); err != nil {
			s.result <- err
		} else {
			s.command.Path, s.command.Err = found, nil
			s.result <- s.command.Start()
		}
	}
}

func enter(init int) error {
	pidfd, err := unix.PidfdOpen(init, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(pidfd)
	// A thread that shares its directories with others cannot have other mounts than they.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return os.NewSyscallError("setns", unix.Setns(pidfd, namespaces))
}

func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}
