package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
)

// listener is a listening stream socket of this network namespace.
type listener struct {
	address fcgisup.Address
	inode   uint64
	// acceptors have it as their standard input, as FastCGI programs do.
	acceptors []acceptor
}

// acceptor is a process that accepts on a listener.
type acceptor struct {
	pid  int
	name string
	// nonblocking is the flag of the open file, which all acceptors share.
	nonblocking bool
}

// kernel reads what the kernel tells; what it does not tell is a note.
func (f *facts) kernel() {
	f.gatherSomaxconn()
	var err error
	if f.listeners, err = listeners("/proc"); err != nil {
		f.note("kernel-not-read", "/proc/net", err.Error()+".", "")
	}
	if hidden := findAcceptors("/proc", f.listeners); hidden > 0 {
		f.note("processes-not-read", "/proc", fmt.Sprintf("%d of them are not readable. Which programs listen, and whether one has made its socket non-blocking, is known only for your own.", hidden), "sudo fcgisup doctor")
	}
}

func (f *facts) gatherSomaxconn() {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err == nil {
		f.somaxconn, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil {
		f.note("kernel-not-read", "net.core.somaxconn", err.Error()+".", "")
	}
}

func listeners(proc string) ([]listener, error) {
	text, err := os.ReadFile(filepath.Join(proc, "net/unix"))
	if err != nil {
		return nil, err
	}
	all := unixListeners(string(text))
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		text, err := os.ReadFile(filepath.Join(proc, table))
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		if err != nil {
			return all, err
		}
		all = append(all, tcpListeners(string(text))...)
	}
	return all, nil
}

const (
	tcpListen  = "0A"    // TCP_LISTEN
	acceptConn = 1 << 16 // __SO_ACCEPTCON
)

// unixListeners reads /proc/net/unix, unix(7): "Num RefCount Protocol Flags Type St Inode Path".
func unixListeners(text string) []listener {
	var all []listener
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimRight(line, "\n"), " ", 7)
		if len(fields) < 7 || fields[4] != "0001" {
			continue
		}
		flags, err := strconv.ParseUint(fields[3], 16, 64)
		number, path, ok := strings.Cut(strings.TrimLeft(fields[6], " "), " ")
		inode, bad := strconv.ParseUint(number, 10, 64)
		if err != nil || bad != nil || !ok || flags&acceptConn == 0 || !strings.HasPrefix(path, "/") {
			continue
		}
		all = append(all, listener{address: peer.Canonical(fcgisup.Address{Network: "unix", Addr: path}), inode: inode})
	}
	return all
}

// tcpListeners reads /proc/net/tcp or tcp6, proc(5): the second field is the
// local address, the fourth the state, the tenth the inode.
func tcpListeners(text string) []listener {
	var all []listener
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != tcpListen {
			continue
		}
		host, port, _ := strings.Cut(fields[1], ":")
		ip, err := procAddress(host)
		number, bad := strconv.ParseUint(port, 16, 16)
		inode, worse := strconv.ParseUint(fields[9], 10, 64)
		if err != nil || bad != nil || worse != nil {
			continue
		}
		at := netip.AddrPortFrom(ip.Unmap(), uint16(number))
		all = append(all, listener{address: fcgisup.Address{Network: "tcp", Addr: at.String()}, inode: inode})
	}
	return all
}

// procAddress reads an address that the kernel prints in words of 32 bits as this machine has them in memory.
func procAddress(text string) (netip.Addr, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, fmt.Errorf("%q is not an address", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	if !ok {
		return ip, fmt.Errorf("%q is not an address", text)
	}
	return ip, nil
}

// findAcceptors fills in who holds a listener as standard input, and counts the
// processes that may not be looked into.
func findAcceptors(proc string, all []listener) (hidden int) {
	at := map[string]int{}
	for i, l := range all {
		at[fmt.Sprintf("socket:[%d]", l.inode)] = i
	}
	for _, pid := range processIDs(proc) {
		folder := filepath.Join(proc, strconv.Itoa(pid))
		link, err := os.Readlink(filepath.Join(folder, "fd/0"))
		if os.IsPermission(err) {
			hidden++
		}
		i, ok := at[link]
		if err != nil || !ok {
			continue
		}
		name, err := os.ReadFile(filepath.Join(folder, "comm"))
		if err != nil {
			continue // it has ended
		}
		all[i].acceptors = append(all[i].acceptors, acceptor{pid, strings.TrimSpace(string(name)), isNonblocking(folder)})
	}
	return hidden
}

// isNonblocking reads the flags of descriptor 0, proc(5) /proc/PID/fdinfo.
func isNonblocking(folder string) bool {
	text, err := fs.ReadFile(os.DirFS(folder), "fdinfo/0")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if octal, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(octal), 8, 64)
			return err == nil && flags&unix.O_NONBLOCK != 0
		}
	}
	return false
}
