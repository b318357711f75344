package scoreboard

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
)

// Evidence is what can be seen of a process before it is killed: for logs, each
// fact on its own, with the reasons for those that are missing.
type Evidence struct {
	Stat    Stat
	Command []string
	Threads []ThreadEvidence
	// Sockets are the open sockets, "FD socket:[INODE]".
	Sockets []string
	// Missing are the reasons for facts that could not be read.
	Missing []string
}

// ThreadEvidence is what one thread is doing. Empty fields could not be read.
type ThreadEvidence struct {
	TID     int
	State   byte
	Wchan   string // the kernel function it sleeps in
	Syscall string // number and arguments, as in /proc/PID/syscall
	Stack   string // kernel frames, innermost first; root only
}

const (
	maxThreadEvidence = 16
	maxSocketEvidence = 64
)

// Gather collects the evidence on a process.
func Gather(pid int) Evidence {
	var e Evidence
	var err error
	if e.Stat, err = ReadStat(pid); err != nil {
		e.miss(err)
		return e
	}
	if b, err := os.ReadFile(procDir(pid) + "/cmdline"); err != nil {
		e.miss(err)
	} else {
		e.Command = strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	}
	tids, err := numbersIn(procDir(pid) + "/task")
	e.miss(err)
	for i, tid := range tids {
		if i == maxThreadEvidence {
			e.miss(fmt.Errorf("%d more threads", len(tids)-i))
			break
		}
		e.thread(thread{pid, tid})
	}
	e.miss(eachSocket(pid, func(fd int, inode Inode) {
		if len(e.Sockets) < maxSocketEvidence {
			e.Sockets = append(e.Sockets, fmt.Sprintf("%d socket:[%d]", fd, inode))
		}
	}))
	return e
}

func (e *Evidence) miss(err error) {
	if err != nil {
		e.Missing = append(e.Missing, err.Error())
	}
}

func (e *Evidence) thread(t thread) {
	s, err := readStat(t.dir())
	if err != nil {
		e.miss(err)
		return
	}
	seen := ThreadEvidence{TID: t.tid, State: s.State}
	for name, to := range map[string]*string{"wchan": &seen.Wchan, "syscall": &seen.Syscall, "stack": &seen.Stack} {
		var buf [4096]byte
		b, err := readProcWhole(t.dir()+"/"+name, buf[:])
		e.miss(err)
		*to = strings.Join(strings.Fields(string(bytes.ReplaceAll(b, []byte("[<0>] "), nil))), " ")
	}
	e.Threads = append(e.Threads, seen)
}

// LogValue makes the evidence one group of a log record.
func (e Evidence) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Int("pid", e.Stat.PID),
		slog.String("state", strings.Trim(string(e.Stat.State), "\x00")),
		slog.String("command", strings.Join(e.Command, " ")),
		slog.Any("sockets", e.Sockets),
	}
	for _, t := range e.Threads {
		attrs = append(attrs, slog.Group("thread"+strconv.Itoa(t.TID),
			slog.String("state", string(t.State)), slog.String("wchan", t.Wchan),
			slog.String("syscall", t.Syscall), slog.String("stack", t.Stack)))
	}
	if len(e.Missing) > 0 {
		attrs = append(attrs, slog.Any("missing", e.Missing))
	}
	return slog.GroupValue(attrs...)
}
