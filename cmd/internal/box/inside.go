package box

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Dial connects to an IP address and port in the box's network. It costs no process, unlike curl(1) in the box; sockets with
// a file are reached by their Path.
func (b *Box) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	theirs, err := os.Open(filepath.Join("/proc", strconv.Itoa(b.init), "ns/net"))
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	runtime.LockOSThread()
	ours, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer ours.Close()
	if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("setns", err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if back := unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET); back != nil {
		// A thread that stays locked ends with its goroutine, so no other gets the wrong network.
		return nil, errors.Join(err, os.NewSyscallError("setns", back))
	}
	runtime.UnlockOSThread()
	return conn, err
}

// Processes are the command lines of the box's processes, by pid in the box; it costs no process.
func (b *Box) Processes() (map[int]string, error) {
	entries, err := os.ReadDir(b.Path("/proc"))
	if err != nil {
		return nil, err
	}
	all := map[int]string{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// One that has just ended, a zombie and a kernel thread have none.
		line, err := os.ReadFile(b.Path(filepath.Join("/proc", entry.Name(), "cmdline")))
		if err != nil || len(line) == 0 {
			continue
		}
		all[pid] = strings.TrimRight(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})), " ")
	}
	return all, nil
}
