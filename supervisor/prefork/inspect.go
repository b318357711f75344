package prefork

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
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
	net, err := connections(dir)
	if err != nil {
		return p, err
	}
	for _, entry := range fds {
		fd, _ := strconv.Atoi(entry.Name())
		f, err := file(dir, fd, net, known)
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
func file(dir string, fd int, net map[scoreboard.Inode]endpoints, known []scoreboard.Inode) (File, error) {
	path := fmt.Sprintf("%s/fd/%d", dir, fd)
	name, err := os.Readlink(path)
	if err != nil {
		return File{}, err
	}
	f := File{FD: fd, Name: name, Flags: flags(dir, fd)}
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

// flags are those of open(2), as an octal number in /proc/PID/fdinfo/FD.
func flags(dir string, fd int) int {
	b, _ := os.ReadFile(fmt.Sprintf("%s/fdinfo/%d", dir, fd))
	for line := range bytes.Lines(b) {
		if text, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(text)), 8, 64)
			return int(n)
		}
	}
	return unix.O_RDWR // unknown is doubtful
}

// endpoints are the addresses of an inet socket: peer of one that is connected, local of one that listens.
type endpoints struct{ peer, local string }

// connections are the inet sockets of a process's network namespace that have a peer or listen.
func connections(dir string) (map[scoreboard.Inode]endpoints, error) {
	all := map[scoreboard.Inode]endpoints{}
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile(dir + "/net/" + protocol)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(b) {
			if inode, e, ok := parseConnection(string(line)); ok {
				all[inode] = e
			}
		}
	}
	return all, nil
}

// parseConnection reads a line of /proc/net/tcp or udp, proc(5).
func parseConnection(line string) (scoreboard.Inode, endpoints, bool) {
	const listening = "0A"
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return 0, endpoints{}, false
	}
	inode, err := strconv.ParseUint(fields[9], 10, 64)
	local, errLocal := parseAddress(fields[1])
	peer, errPeer := parseAddress(fields[2])
	if errors.Join(err, errLocal, errPeer) != nil || inode == 0 {
		return 0, endpoints{}, false
	}
	var e endpoints
	if fields[3] == listening {
		e.local = local.String()
	} else if peer.Port() != 0 {
		e.peer = peer.String()
	}
	return scoreboard.Inode(inode), e, true
}

// parseAddress reads an address as the kernel prints it: words of 32 bits in the host's order, in hexadecimal.
func parseAddress(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	b, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for at := 0; at+4 <= len(b); at += 4 {
		binary.NativeEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}
