package lockfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is a lock that this process holds until [Lock.Release] or its end.
type Lock struct {
	file *os.File
	path string
}

// HeldError says that another process holds the lock.
type HeldError struct {
	Path string
	// PID is 0 and Note empty if the holder is not known.
	PID  int
	Note string
}

func (e *HeldError) Error() string {
	text := "another process"
	if e.PID > 0 {
		text = "process " + strconv.Itoa(e.PID)
		if e.Note != "" {
			text += " (" + e.Note + ")"
		}
	}
	return text + " holds the lock " + e.Path
}

const (
	firstPause = 5 * time.Millisecond
	lastPause  = 100 * time.Millisecond
	// maxNote bounds what is written into a lock and read from it.
	maxNote = 256
	// maxReplaced is how often a lock may be replaced while it is taken.
	maxReplaced = 20
)

// Try takes the lock without waiting. The file is made if it is missing, in a
// directory that exists. note describes the holder to others, beside its PID.
// The error is a [HeldError] if another process has the lock.
func Try(path, note string) (*Lock, error) {
	return try(path, note, unix.O_RDWR|unix.O_CREAT)
}

// TryExisting is Try for a file that exists, in a directory that may be
// read-only for this process. The error wraps [fs.ErrNotExist] if it is missing.
func TryExisting(path string) (*Lock, error) {
	return try(path, "", unix.O_RDONLY)
}

// Acquire is Try that waits for limit, or until the end of ctx.
func Acquire(ctx context.Context, path, note string, limit time.Duration) (*Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		l, err := Try(path, note)
		var held *HeldError
		if !errors.As(err, &held) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (waited until: %w)", err, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// Make creates the file of a lock, for others to take with [TryExisting].
func Make(path string) error {
	f, err := open(path, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return err
	}
	return f.Close()
}

// Release gives the lock back. The file stays.
func (l *Lock) Release() {
	_ = l.file.Close() // the kernel unlocks whatever close returns
}

// Remove gives the lock back and removes its file.
func (l *Lock) Remove() {
	_ = os.Remove(l.path) // still locked: who waits for it finds that it is gone
	l.Release()
}

func try(path, note string, flags int) (*Lock, error) {
	for range maxReplaced {
		f, err := open(path, flags)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			if errors.Is(err, unix.EWOULDBLOCK) {
				err = heldBy(f)
			} else {
				err = &fs.PathError{Op: "flock", Path: path, Err: err}
			}
			return nil, errors.Join(err, f.Close())
		}
		l := &Lock{f, path}
		if !l.current() {
			l.Release()
			continue
		}
		if flags&unix.O_RDWR != 0 {
			if err := l.describe(note); err != nil {
				l.Release()
				return nil, err
			}
		}
		return l, nil
	}
	return nil, fmt.Errorf("cannot lock %s: the file is replaced again and again", path)
}

// open returns a file that only its owner, who we are, can open.
func open(path string, flags int) (*os.File, error) {
	for range maxReplaced {
		// Non-blocking: a FIFO in the file's place must not stop us.
		fd, err := unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o600)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ELOOP) {
			return nil, fmt.Errorf("cannot lock %s: it is a symbolic link", path)
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		f := os.NewFile(uintptr(fd), path)
		again, err := private(f, flags)
		if err == nil && !again {
			return f, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("cannot lock %s: the file is replaced again and again", path)
}

// private checks what was opened. A file of ours that others can open, as
// earlier versions made it, is removed, to be made again: others may hold it.
func private(f *os.File, flags int) (again bool, err error) {
	path := f.Name()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return false, fmt.Errorf("cannot lock %s: it is not a regular file", path)
	case st.Uid != uint32(os.Geteuid()):
		return false, fmt.Errorf("cannot lock %s: it belongs to user %d, not to user %d", path, st.Uid, os.Geteuid())
	case st.Nlink == 0:
		return true, nil
	case st.Nlink > 1:
		return false, fmt.Errorf("cannot lock %s: it has another name, too", path)
	case st.Mode&0o077 == 0:
		return false, nil
	case flags&unix.O_CREAT == 0:
		return false, fmt.Errorf("cannot lock %s: others can open it, its mode is %04o", path, st.Mode&0o7777)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// current returns true if the path still leads to the file.
func (l *Lock) current() bool {
	var here, there unix.Stat_t
	return unix.Fstat(int(l.file.Fd()), &here) == nil && unix.Lstat(l.path, &there) == nil &&
		here.Dev == there.Dev && here.Ino == there.Ino
}

// describe writes who holds the lock. A reader may see half of it.
func (l *Lock) describe(note string) error {
	note = strings.ToValidUTF8(strings.Join(strings.Fields(note), " "), "")
	text := fmt.Sprintf("%d %.*s\n", os.Getpid(), maxNote, note)
	if _, err := l.file.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("cannot write to the lock: %w", err)
	}
	return l.file.Truncate(int64(len(text)))
}

// heldBy reads who holds the lock; one that has it for a moment only may not
// have written that yet.
func heldBy(f *os.File) *HeldError {
	held := &HeldError{Path: f.Name()}
	for range 10 {
		data := make([]byte, 2*maxNote)
		n, _ := f.ReadAt(data, 0)
		line, _, whole := strings.Cut(string(data[:n]), "\n")
		pid, note, _ := strings.Cut(line, " ")
		if number, err := strconv.Atoi(pid); whole && err == nil && processExists(number) {
			held.PID, held.Note = number, note
			return held
		}
		time.Sleep(time.Millisecond)
	}
	return held
}

func processExists(pid int) bool {
	return pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
