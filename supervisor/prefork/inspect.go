package prefork

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// unnamed is the peer of a socket that bears no name.
const unnamed = "an unnamed socket"

// Inspect looks at a program that is ready; listener is the socket that it accepts at.
func (c *Conn) Inspect(pid int, listener scoreboard.Inode) (Process, error) {
	p, err := inspect(pid, listener, c.theirs)
	if err != nil {
		return p, fmt.Errorf("cannot see what the program has open: %w", err)
	}
	return p, nil
}

func inspect(pid int, known ...scoreboard.Inode) (Process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	tasks, err := os.ReadDir(dir + "/task")
	if err != nil {
		return Process{}, err
	}
	p := Process{Threads: len(tasks), Children: children(dir, tasks)}
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return p, err
	}
	net, err := connections(pid)
	if err != nil {
		return p, err
	}
	for _, entry := range fds {
		fd, _ := strconv.Atoi(entry.Name())
		f, err := file(pid, fd, net, known)
		if err != nil {
			return p, err
		}
		if f.Name != "" && fd > 0 {
			p.Files = append(p.Files, f)
		}
	}
	slices.SortFunc(p.Files, func(a, b File) int { return a.FD - b.FD })
	return p, nil
}

// children are a process's own; a kernel without the list shows none.
func children(dir string, tasks []fs.DirEntry) []string {
	var all []string
	for _, task := range tasks {
		list, _ := os.ReadFile(dir + "/task/" + task.Name() + "/children")
		for text := range strings.FieldsSeq(string(list)) {
			pid, _ := strconv.Atoi(text)
			if s, err := scoreboard.ReadStat(pid); err == nil && s.Alive() {
				all = append(all, fmt.Sprintf("%s, process %d", s.Command, pid))
			}
		}
	}
	return all
}

// file is an open file; nameless if it is known to be harmless.
func file(pid, fd int, net map[scoreboard.Inode]endpoints, known []scoreboard.Inode) (File, error) {
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
	name, err := os.Readlink(path)
	if err != nil {
		return File{}, err
	}
	flags, err := scoreboard.FileFlags(pid, fd)
	if err != nil {
		flags = unix.O_RDWR // unknown is doubtful
	}
	f := File{FD: fd, Name: name, Flags: flags}
	if number, ok := strings.CutPrefix(name, "socket:["); ok {
		n, _ := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
		inode := scoreboard.Inode(n)
		if slices.Contains(known, inode) {
			return File{}, nil
		}
		return f, f.connection(inode, net)
	}
	if st, err := os.Stat(path); err == nil { // pipes and the like have no path, and are found by it anyway
		f.Regular = st.Mode().IsRegular()
	}
	return f, nil
}

func (f *File) connection(inode scoreboard.Inode, net map[scoreboard.Inode]endpoints) error {
	if e, ok := net[inode]; ok {
		f.Peer, f.Local = e.peer, e.local
		return nil
	}
	if at, _ := scoreboard.Listeners(); at[inode] != "" {
		f.Local = at[inode]
		return nil
	}
	peer, connected, err := scoreboard.PeerOf(inode)
	if connected {
		f.Peer, f.Datagram = peer.Name, peer.Datagram
		if f.Peer == "" {
			f.Peer = unnamed
		}
	}
	return err
}

// endpoints are the addresses of an inet socket: peer of one that is connected, local of one that listens.
type endpoints struct{ peer, local string }

// connections are the inet sockets of a process's network namespace that have a peer or listen.
func connections(pid int) (map[scoreboard.Inode]endpoints, error) {
	sockets, err := scoreboard.InetSockets(pid, "tcp", "tcp6", "udp", "udp6")
	all := map[scoreboard.Inode]endpoints{}
	for _, s := range sockets {
		switch {
		case s.Inode == 0:
		case s.State == unix.BPF_TCP_LISTEN:
			all[s.Inode] = endpoints{local: s.Local.String()}
		case s.Peer.Port() != 0:
			all[s.Inode] = endpoints{peer: s.Peer.String()}
		}
	}
	return all, err
}
