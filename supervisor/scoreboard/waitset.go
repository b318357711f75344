package scoreboard

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Sets larger than these are left unread, and said to be.
const (
	maxPollFDs = 1024
	maxSetBits = 4096
	maxFDInfo  = 256 << 10

	pollRDNorm = 0x40 // POLLRDNORM: sockets report it with POLLIN
)

// epollSet reports whether the listener is in the thread's epoll set. Only entries
// that could be an epoll set themselves need another look when it is not.
func (t thread) epollSet(epfd int, listener Inode) (bool, error) {
	list, err := t.targets(epfd)
	if err != nil {
		return false, err
	}
	var nested error
	for _, w := range list {
		inode := w.inode
		if inode == 0 {
			if inode, err = t.socket(w.fd); err != nil {
				return false, err
			}
		}
		if inode == listener && w.events&unix.EPOLLIN != 0 {
			return true, nil
		}
	}
	for _, w := range list {
		link, err := os.Readlink(t.dir() + "/fd/" + strconv.Itoa(w.fd))
		if err == nil && link == "anon_inode:[eventpoll]" {
			nested = fmt.Errorf("%w: fd %d in it is another epoll set", ErrUnsupported, w.fd)
		}
	}
	return false, nested
}

func (t thread) targets(epfd int) ([]target, error) {
	path := t.dir() + "/fdinfo/" + strconv.Itoa(epfd)
	for size := 4096; size <= maxFDInfo; size *= 4 {
		b, err := readProcWhole(path, make([]byte, size))
		if err != nil {
			return nil, err
		}
		if len(b) < size {
			return parseTargets(b), nil
		}
	}
	return nil, fmt.Errorf("%w: an epoll set of more than %d bytes in fdinfo", ErrUnsupported, maxFDInfo)
}

// pollFD is struct pollfd.
type pollFD struct {
	Fd     int32
	Events int16
}

func (p pollFD) readable() bool { return p.Fd >= 0 && p.Events&(unix.POLLIN|pollRDNorm) != 0 }

// pollFDs reads the array a poll or ppoll call was given. The caller may not touch
// it before the call returns, so it is what the kernel waits for.
func (t thread) pollFDs(c call) ([]pollFD, error) {
	n := c.args[1]
	if n > maxPollFDs {
		return nil, fmt.Errorf("%w: a poll for %d descriptors", ErrUnsupported, n)
	}
	b, err := t.memory(c.args[0], int(n)*8)
	if err != nil {
		return nil, err
	}
	list := make([]pollFD, 0, n)
	for ; len(b) >= 8; b = b[8:] {
		list = append(list, pollFD{
			Fd:     int32(binary.NativeEndian.Uint32(b)),
			Events: int16(binary.NativeEndian.Uint16(b[4:])),
		})
	}
	return list, nil
}

func (t thread) pollSet(c call, listener Inode) (bool, error) {
	list, err := t.pollFDs(c)
	if err != nil {
		return false, err
	}
	for _, p := range list {
		if !p.readable() {
			continue
		}
		inode, err := t.socket(int(p.Fd))
		if err != nil || inode == listener {
			return err == nil, err
		}
	}
	return false, nil
}

// selectSet looks at the read set of a select or pselect6 call: an array of words.
func (t thread) selectSet(c call, listener Inode) (bool, error) {
	n := descriptor(c.args[0])
	if n < 0 || n > maxSetBits {
		return false, fmt.Errorf("%w: a select of %d descriptors", ErrUnsupported, n)
	}
	if c.args[1] == 0 {
		return false, nil
	}
	b, err := t.memory(c.args[1], (n+63)/64*8)
	if err != nil {
		return false, err
	}
	for _, fd := range setBits(b, n) {
		inode, err := t.socket(fd)
		if err != nil || inode == listener {
			return err == nil, err
		}
	}
	return false, nil
}

// setBits lists the descriptors below n in an fd_set.
func setBits(b []byte, n int) []int {
	var list []int
	for base := 0; len(b) >= 8; b, base = b[8:], base+64 {
		for w := binary.NativeEndian.Uint64(b); w != 0; w &= w - 1 {
			if fd := base + bits.TrailingZeros64(w); fd < n {
				list = append(list, fd)
			}
		}
	}
	return list
}

// memory reads the thread's memory as ptrace(2) would, which is what reading its
// syscall took already. A seccomp filter on process_vm_readv(2) does not matter.
func (t thread) memory(addr uint64, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	path := t.dir() + "/mem"
	fd, err := openProc(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, size)
	n, err := unix.Pread(fd, b, int64(addr))
	switch {
	case err != nil:
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	case n != size:
		return nil, fmt.Errorf("%w: %d of %d bytes of %s", ErrUnsupported, n, size, path)
	}
	return b, nil
}
