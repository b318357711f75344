package scoreboard

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// procDir is /proc/PID, or /proc/PID/task/TID for a single thread.
func procDir(pid int) string { return "/proc/" + strconv.Itoa(pid) }

func threadDir(pid, tid int) string { return procDir(pid) + "/task/" + strconv.Itoa(tid) }

// readProc reads a file of /proc that the kernel makes in one piece, cutting it at
// the end of buf. It avoids package os, whose poller registration costs as much as
// the read.
func readProc(path string, buf []byte) ([]byte, error) {
	fd, err := openProc(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := readRetrying(fd, buf)
	if err != nil {
		return nil, procError("read", path, err)
	}
	return buf[:n], nil
}

// readProcWhole reads on until the end of the file or of buf: lists come in
// pieces.
func readProcWhole(path string, buf []byte) ([]byte, error) {
	fd, err := openProc(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	for n < len(buf) {
		m, err := readRetrying(fd, buf[n:])
		if err != nil {
			return nil, procError("read", path, err)
		}
		if m == 0 {
			break
		}
		n += m
	}
	return buf[:n], nil
}

func openProc(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, procError("open", path, err)
		}
	}
}

func readRetrying(fd int, b []byte) (n int, err error) {
	err = ignoringEINTR(func() (err error) { n, err = unix.Read(fd, b); return err })
	return n, err
}

// procError says ErrGone when the process has vanished: ENOENT before the open,
// ESRCH after it.
func procError(op, path string, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: %w", ErrGone, &os.PathError{Op: op, Path: path, Err: err})
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

func isGone(err error) bool { return errors.Is(err, ErrGone) }

// eachNumber visits the entries of a directory whose names are decimal numbers:
// process ids, thread ids, descriptors.
func eachNumber(dirfd int, buf []byte, visit func(n int)) error {
	for {
		var n int
		err := ignoringEINTR(func() (err error) { n, err = unix.Getdents(dirfd, buf); return err })
		if err != nil || n == 0 {
			return err
		}
		parseDirents(buf[:n], visit)
	}
}

// numbersIn lists the numeric entries of the directory path.
func numbersIn(path string) ([]int, error) {
	fd, err := openProc(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var (
		list []int
		buf  [4096]byte
	)
	if err := eachNumber(fd, buf[:], func(n int) { list = append(list, n) }); err != nil {
		return nil, procError("read", path, err)
	}
	return list, nil
}

// socketInode resolves a descriptor link relative to dirfd: the N of
// "socket:[N]", or 0 for what is not a socket.
func socketInode(dirfd int, name string) (Inode, error) {
	var b [64]byte
	n, err := unix.Readlinkat(dirfd, name, b[:])
	if err != nil {
		return 0, err
	}
	return parseSocketLink(b[:n]), nil
}
