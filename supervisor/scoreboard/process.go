package scoreboard

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Stat is the part of /proc/PID/stat that identifies and places a process. It is
// readable for every visible process.
type Stat struct {
	PID     int
	Command string // the first 15 bytes of its name; any bytes at all
	// State is R running, S sleeping, D in an uninterruptible wait, T stopped,
	// t traced, Z zombie, X dead, I idle.
	State   byte
	Parent  int
	Group   int
	Session int
	Threads int
	// Start is when the process began, in clock ticks since boot: with the pid it
	// is an identity that does not come again.
	Start uint64
}

// Alive reports whether the process can still run. One whose first thread has ended
// shows as a zombie although its other threads go on.
func (s Stat) Alive() bool { return s.State != 'X' && (s.State != 'Z' || s.Threads > 1) }

// halted is about the thread that the stat was read of.
func (s Stat) halted() bool { return strings.IndexByte("TtZX", s.State) >= 0 }

// ReadStat reads the stat of a process; [ErrGone] when there is none.
func ReadStat(pid int) (Stat, error) { return readStat(procDir(pid)) }

func readStat(dir string) (Stat, error) {
	var buf [1024]byte
	b, err := readProc(dir+"/stat", buf[:])
	if err != nil {
		return Stat{}, err
	}
	s, err := parseStat(b)
	if err != nil {
		return Stat{}, fmt.Errorf("cannot read %s/stat: %w", dir, err)
	}
	return s, nil
}

// Stopped reports whether no thread of the process can run until SIGCONT: all are
// stopped, or have ended. After SIGSTOP the threads stop one by one, and one in an
// uninterruptible wait only when that ends.
func Stopped(pid int) (bool, error) {
	s, err := ReadStat(pid)
	if err != nil || !s.halted() || s.Threads <= 1 {
		return err == nil && s.halted(), err
	}
	tids, err := numbersIn(procDir(pid) + "/task")
	if err != nil {
		return false, err
	}
	for _, tid := range tids {
		t, err := readStat(threadDir(pid, tid))
		if isGone(err) {
			continue
		}
		if err != nil || !t.halted() {
			return false, err
		}
	}
	return true, nil
}

// Sleeps reports whether each thread of the process is in an interruptible sleep: it
// needs neither a core nor a disk. What cannot be read does not sleep.
func Sleeps(pid int) bool {
	s, err := ReadStat(pid)
	if err != nil || s.Threads <= 1 {
		return err == nil && s.State == 'S'
	}
	tids, err := numbersIn(procDir(pid) + "/task")
	for _, tid := range tids {
		t, readErr := readStat(threadDir(pid, tid))
		if isGone(readErr) {
			continue
		}
		if readErr != nil || t.State != 'S' {
			return false
		}
	}
	return err == nil
}

// MemoryKind says what a number of bytes counts.
type MemoryKind string

// The kinds of [Memory]. PSS divides shared pages by the number of their users, so
// it can be added up over forked workers; RSS counts them in full for each.
const (
	PSS MemoryKind = "pss"
	RSS MemoryKind = "rss"
)

// Memory is the memory of one process in bytes: PSS from /proc/PID/smaps_rollup
// where that may be read (own processes, Linux 4.14), else RSS from
// /proc/PID/statm. PSS walks the page tables: about 1 ms per GiB.
func Memory(pid int) (bytes uint64, kind MemoryKind, err error) {
	var buf [4096]byte
	b, err := readProc(procDir(pid)+"/smaps_rollup", buf[:])
	if err == nil && len(b) > 0 {
		if n, err := parseKilobytes(b, "Pss"); err == nil {
			return n, PSS, nil
		}
	}
	b, err = readProc(procDir(pid)+"/statm", buf[:])
	if err != nil {
		return 0, RSS, err
	}
	pages, err := parseResident(b)
	if err != nil {
		return 0, RSS, fmt.Errorf("cannot read the memory of process %d: %w", pid, err)
	}
	if pages == 0 && aliveWithoutLeader(pid) {
		return 0, RSS, fmt.Errorf("%w: the first thread of process %d has ended", ErrUnsupported, pid)
	}
	return pages * uint64(os.Getpagesize()), RSS, nil
}

// aliveWithoutLeader reports whether the process goes on without its first thread.
// The files of /proc/PID speak of that thread, and are then empty.
func aliveWithoutLeader(pid int) bool {
	s, err := ReadStat(pid)
	return err == nil && s.State == 'Z' && s.Alive()
}

// exists reports whether pid is a process, and not a thread of one: tgkill(2) with
// signal 0 needs the id to be both.
func exists(pid int) bool {
	err := unix.Tgkill(pid, pid, 0)
	return err == nil || err == unix.EPERM
}
