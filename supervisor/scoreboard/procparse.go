package scoreboard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

var errNotProc = errors.New("not in the form proc(5) describes")

// parseDirents visits the numeric names of linux_dirent64 records (getdents(2)).
func parseDirents(b []byte, visit func(n int)) {
	const header = 19 // d_ino, d_off, d_reclen, d_type
	for len(b) >= header {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size < header || size > len(b) {
			return
		}
		name, _, _ := bytes.Cut(b[header:size], []byte{0})
		if n, ok := parseNumber(name); ok {
			visit(n)
		}
		b = b[size:]
	}
}

// parseNumber is strconv.Atoi for digits only, without the allocation of a string.
func parseNumber(b []byte) (int, bool) {
	const most = 1 << 40 // above any pid, descriptor or inode number that we meet
	if len(b) == 0 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > most {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func parseSocketLink(b []byte) Inode {
	b, ok := bytes.CutPrefix(b, []byte("socket:["))
	if !ok {
		return 0
	}
	b, ok = bytes.CutSuffix(b, []byte("]"))
	n, numeric := parseNumber(b)
	if !ok || !numeric {
		return 0
	}
	return Inode(n)
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The command may hold spaces,
// parentheses and newlines, so the fields are counted from its last ")".
func parseStat(b []byte) (Stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return Stat{}, errNotProc
	}
	pid, ok := parseNumber(bytes.TrimSpace(b[:open]))
	if !ok {
		return Stat{}, errNotProc
	}
	s := Stat{PID: pid, Command: string(b[open+1 : end])}
	fields := 0
	for b = b[end+1:]; len(b) > 0 && fields <= statStart; fields++ {
		var field []byte
		field, b, _ = bytes.Cut(bytes.TrimLeft(b, " "), []byte{' '})
		if !s.set(fields, field) {
			return Stat{}, errNotProc
		}
	}
	if fields <= statStart {
		return Stat{}, errNotProc
	}
	return s, nil
}

// The fields behind the command, counted from 0.
const (
	statState   = 0
	statParent  = 1
	statGroup   = 2
	statSession = 3
	statThreads = 17
	statStart   = 19
)

func (s *Stat) set(field int, value []byte) (ok bool) {
	switch field {
	case statState:
		if ok = len(value) == 1; ok {
			s.State = value[0]
		}
		return ok
	case statParent:
		s.Parent, ok = parseNumber(value)
	case statGroup:
		s.Group, ok = parseNumber(value)
	case statSession:
		s.Session, ok = parseNumber(value)
	case statThreads:
		s.Threads, ok = parseNumber(value)
	case statStart:
		var err error
		s.Start, err = strconv.ParseUint(string(value), 10, 64)
		ok = err == nil
	default:
		ok = true
	}
	return ok
}

// call is the line of /proc/PID/syscall: the call a thread is blocked in, and
// its arguments.
type call struct {
	running bool // on a processor or about to be
	none    bool // blocked outside any call: a page fault, an exit
	number  int
	args    [6]uint64
	stack   uint64 // the stack pointer
}

func parseCall(b []byte) (call, error) {
	f := bytes.Fields(b)
	switch {
	case len(f) == 1 && string(f[0]) == "running":
		return call{running: true}, nil
	case len(f) == 3 && string(f[0]) == "-1":
		return call{none: true}, nil
	case len(f) != 9:
		return call{}, fmt.Errorf("%w: %q", errNotProc, b)
	}
	n, ok := parseNumber(f[0])
	if !ok {
		return call{}, fmt.Errorf("%w: %q", errNotProc, b)
	}
	c := call{number: n}
	for i := range 7 {
		v, err := strconv.ParseUint(string(f[i+1]), 0, 64)
		if err != nil {
			return call{}, fmt.Errorf("%w: %q", errNotProc, b)
		}
		if i < len(c.args) {
			c.args[i] = v
		} else {
			c.stack = v
		}
	}
	return c, nil
}

// target is a "tfd:" line of an epoll descriptor's fdinfo: a watched descriptor
// and, since Linux 4.12, the inode of its file (0 when not told).
type target struct {
	fd     int
	events uint64
	inode  Inode
}

// parseTargets reads the fdinfo of an epoll descriptor (proc_pid_fdinfo(5)).
func parseTargets(b []byte) []target {
	var list []target
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) < 4 || string(f[0]) != "tfd:" || string(f[2]) != "events:" {
			continue
		}
		fd, ok := parseNumber(f[1])
		events, err := strconv.ParseUint(string(f[3]), 16, 32)
		if !ok || err != nil {
			continue
		}
		t := target{fd: fd, events: events}
		for _, word := range f[4:] {
			if hex, ok := bytes.CutPrefix(word, []byte("ino:")); ok {
				n, _ := strconv.ParseUint(string(hex), 16, 64)
				t.inode = Inode(n)
			}
		}
		list = append(list, t)
	}
	return list
}

// parseKilobytes finds "NAME:  123 kB" and returns bytes.
func parseKilobytes(b []byte, name string) (uint64, error) {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(name+":"))
		if !ok {
			continue
		}
		f := bytes.Fields(rest)
		if len(f) != 2 || string(f[1]) != "kB" {
			return 0, errNotProc
		}
		n, err := strconv.ParseUint(string(f[0]), 10, 54)
		return n << 10, err
	}
	return 0, fmt.Errorf("%w: no %s", errNotProc, name)
}

// parseIO takes rchar and wchar of /proc/PID/io.
func parseIO(b []byte) (read, written uint64, err error) {
	found := 0
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		to := map[string]*uint64{"rchar": &read, "wchar": &written}[string(name)]
		if to == nil {
			continue
		}
		found++
		if *to, err = strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64); err != nil {
			return 0, 0, err
		}
	}
	if found != 2 {
		return 0, 0, fmt.Errorf("%w: no rchar and wchar", errNotProc)
	}
	return read, written, nil
}

// parseResident takes the second field of /proc/PID/statm: resident pages.
func parseResident(b []byte) (uint64, error) {
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0, errNotProc
	}
	return strconv.ParseUint(string(f[1]), 10, 51)
}
