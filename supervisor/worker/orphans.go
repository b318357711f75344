package worker

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// envWorker is the variable by which a worker is recognised, and what it has
// started: APP@N:PID:START:ADDRESS, with the supervisor's process and when that
// began, in clock ticks since boot. Outside systemd what a worker has forked
// outlives a killed supervisor, since PDEATHSIG is the leader's alone, and it
// holds the listener.
const envWorker = "FCGISUP_WORKER"

// MarkOf returns the assignment of that variable for the workers of an instance.
func MarkOf(in fcgisup.Instance) string {
	pid := os.Getpid()
	stat, _ := scoreboard.ReadStat(pid) // without, none of its workers is ever taken for an orphan
	return fmt.Sprintf("%s=%s:%d:%d:%s", envWorker, in, pid, stat.Start, in.Address.Addr)
}

const (
	// orphanTimeout is what orphans get to end after SIGTERM, and after SIGKILL.
	orphanTimeout = 2 * time.Second
	// orphanRounds bounds the rounds: one of them may have forked again.
	orphanRounds = 3
	// environTimeout bounds a read that waits for the memory of a process.
	environTimeout = time.Second
)

// EndOrphans ends what the workers of a supervisor that was killed have left behind
// with the sockets of these instances: processes of the workers' user, with our
// variable in their environment, whose supervisor lives no more. Another process
// that has a socket open at one of the addresses is named, and then none is ended.
func EndOrphans(app fcgisup.App, instances []fcgisup.Instance, log *slog.Logger) error {
	uid := os.Geteuid()
	if uid == 0 && app.User != "" {
		var err error
		if uid, err = fcgisup.LookupUser(app.User); err != nil {
			return fmt.Errorf("cannot find the user of app %s: %w", app.Name, err)
		}
	}
	survey := scoreboard.NewSurvey()
	for _, in := range instances {
		if err := endOrphans(in, uid, survey, log); err != nil {
			return fmt.Errorf("cannot listen on %s for %s: %w", in.Address, in, err)
		}
	}
	return nil
}

func endOrphans(in fcgisup.Instance, uid int, survey *scoreboard.Survey, log *slog.Logger) error {
	sockets, current := listenersAt(in.Address, survey)
	var ended []int
	for round := 0; len(sockets) > 0; round++ {
		orphans, foreign := sortHolders(in, uid, sockets, current)
		if foreign != 0 {
			closeOrphans(orphans)
			return fmt.Errorf("the socket is in use by %s", listen.DescribeProcess(foreign))
		}
		if len(orphans) == 0 {
			break
		}
		if round == orphanRounds {
			closeOrphans(orphans)
			return fmt.Errorf("the socket is in use by %s, which an earlier worker has left behind and which does not end", listen.DescribeProcess(orphans[0].pid))
		}
		for _, o := range orphans {
			ended = append(ended, o.pid)
		}
		end(orphans)
	}
	if len(ended) > 0 {
		slices.Sort(ended)
		log.Warn("ended what the workers of a killed supervisor had left behind with the socket",
			"app", in.App, "instance", in.Number, "pids", slices.Compact(ended))
	}
	return nil
}

// listenersAt are those that bear the address, of whose files but the current one's
// nothing is left. Where that cannot be read there is none, and the attempt to
// listen will tell.
func listenersAt(a fcgisup.Address, survey *scoreboard.Survey) (sockets []scoreboard.Conn, current scoreboard.Inode) {
	if a.Network == "unix" {
		named, _ := survey.Named(a.Addr)
		for _, inode := range named {
			sockets = append(sockets, scoreboard.Conn{Inode: inode})
		}
	}
	if l, err := survey.Find(a.Network, a.Addr); err == nil {
		current = l.Inode()
		sockets = append(sockets, scoreboard.Conn{Inode: current})
		_ = l.Close()
	}
	return sockets, current
}

// orphan is a process by its pidfd, which no later process can be taken for.
type orphan struct{ pid, fd int }

// sortHolders finds who has the sockets open; foreign is one that has the current one
// and is not an orphan, 0 if there is none.
func sortHolders(in fcgisup.Instance, uid int, sockets []scoreboard.Conn, current scoreboard.Inode) (orphans []orphan, foreign int) {
	pids, err := scoreboard.Processes()
	if err != nil {
		return nil, 0
	}
	self := os.Getpid()
	pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == self })
	held := scoreboard.Holds(pids, sockets).By
	seen := map[int]bool{}
	for _, s := range sockets {
		for _, pid := range held[s.Inode] {
			if seen[pid] {
				continue
			}
			o, ok := asOrphan(pid, uid, in)
			switch {
			case ok:
				seen[pid] = true
				orphans = append(orphans, o)
			case s.Inode == current && syscall.Kill(pid, 0) != syscall.ESRCH:
				foreign = pid
			}
		}
	}
	return orphans, foreign
}

// asOrphan opens a process that is one. The descriptor comes first, so that what
// is read then is of the process that it stands for.
func asOrphan(pid, uid int, in fcgisup.Instance) (orphan, bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return orphan{}, false
	}
	o := orphan{pid, fd}
	if ownerOf(pid) == uid && leftBehind(environOf(pid), in) && !o.ended(0) {
		return o, true
	}
	_ = unix.Close(fd)
	return orphan{}, false
}

func ownerOf(pid int) int {
	var st unix.Stat_t
	if unix.Stat("/proc/"+strconv.Itoa(pid), &st) != nil {
		return -1
	}
	return int(st.Uid)
}

// environOf is a process's environment as it began; empty if it cannot be read, as
// that of a set-user-ID program.
func environOf(pid int) []byte {
	read := make(chan []byte, 1)
	go func() {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		read <- b
	}()
	select {
	case b := <-read:
		return b
	case <-time.After(environTimeout):
		return nil
	}
}

// leftBehind reports whether an environment is that of a worker of this instance, or
// of its child, whose supervisor has ended.
func leftBehind(environ []byte, in fcgisup.Instance) bool {
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		text, ours := strings.CutPrefix(string(kv), envWorker+"="+in.String()+":")
		if !ours {
			continue
		}
		parts := strings.SplitN(text, ":", 3)
		if len(parts) != 3 || parts[2] != in.Address.Addr {
			continue
		}
		pid, err1 := strconv.Atoi(parts[0])
		start, err2 := strconv.ParseUint(parts[1], 10, 64)
		if err1 == nil && err2 == nil && pid > 0 && start > 0 && supervisorEnded(pid, start) {
			return true
		}
	}
	return false
}

// supervisorEnded is false where that cannot be known.
func supervisorEnded(pid int, start uint64) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	stat, err := scoreboard.ReadStat(pid)
	return err == nil && (stat.Start != start || !stat.Alive())
}

// ended waits for the process's end.
func (o orphan) ended(within time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLIN}}
	for end := time.Now().Add(within); ; {
		n, err := unix.Poll(fds, int(max(time.Until(end), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n == 1
		}
	}
}

// end asks them to end, and ends those that do not. SIGCONT is for those that were
// stopped when their supervisor was killed.
func end(orphans []orphan) {
	defer closeOrphans(orphans)
	for _, signals := range [][]unix.Signal{{unix.SIGTERM, unix.SIGCONT}, {unix.SIGKILL}} {
		for _, o := range orphans {
			for _, sig := range signals {
				_ = unix.PidfdSendSignal(o.fd, sig, nil, 0) // one that has ended needs none
			}
		}
		limit, left := time.Now().Add(orphanTimeout), false
		for _, o := range orphans {
			left = !o.ended(time.Until(limit)) || left
		}
		if !left {
			return
		}
	}
}

func closeOrphans(orphans []orphan) {
	for _, o := range orphans {
		_ = unix.Close(o.fd)
	}
}
