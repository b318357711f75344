package scoreboard

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// positions are the offsets of the files that a process has open for writing, by descriptor. What appends is left out:
// logs are written so, and uploads are not.
type positions map[int]uint64

// openFiles reads /proc/PID/fdinfo. Pipes, sockets and files that are at their beginning are left out too, and so are
// files that are only written with pwrite(2), as databases are: they stay at offset 0.
func openFiles(pid int) (positions, error) {
	fds, err := numbersIn(procDir(pid) + "/fdinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot read the open files of process %d: %w", pid, err)
	}
	files := positions{}
	var buf [512]byte
	for _, fd := range fds {
		b, err := readProc(procDir(pid)+"/fdinfo/"+strconv.Itoa(fd), buf[:])
		if isGone(err) {
			continue // closed since
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the open files of process %d: %w", pid, err)
		}
		if pos, flags := parseFDInfo(b); pos > 0 && flags&unix.O_ACCMODE != unix.O_RDONLY && flags&unix.O_APPEND == 0 {
			files[fd] = pos
		}
	}
	return files, nil
}

// advanced reports whether a file is open now that was not, or was at another offset.
func (before positions) advanced(now positions) bool {
	for fd, pos := range now {
		if before[fd] != pos {
			return true
		}
	}
	return false
}

// parseFDInfo takes pos and flags, which is octal, of proc_pid_fdinfo(5); 0 for one that is missing.
func parseFDInfo(b []byte) (pos, flags uint64) {
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(name) {
		case "pos":
			pos, _ = strconv.ParseUint(string(value), 10, 64)
		case "flags":
			flags, _ = strconv.ParseUint(string(value), 8, 64)
		}
	}
	return pos, flags
}
