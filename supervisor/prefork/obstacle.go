package prefork

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is what a fork must not break in a program that is ready.
type Process struct {
	Threads int
	// Children are the processes that it has started and that still run, "NAME, process PID".
	Children []string
	// Files are its open files, but for standard input and the conversation.
	Files []File
}

// File is an open file of a program.
type File struct {
	FD int
	// Name is what the link in /proc/PID/fd says.
	Name string
	// Flags are those of open(2); Regular is a file on a disk.
	Flags   int
	Regular bool
	// Peer is the address that a socket is connected to, Local the one that it listens on.
	Peer, Local string
	// Datagram is a unix socket that only sends messages.
	Datagram bool
}

// logs are sockets that take messages of any process, and answer nothing.
var logs = []string{"/dev/log", "/run/log", "/run/systemd/journal/dev-log", "/run/systemd/journal/socket", "/run/systemd/journal/syslog"}

// Obstacle is why the process must not be forked, and what to do; empty if nothing is known to be wrong. Addresses and
// paths in allow are passed over.
func (p Process) Obstacle(allow []string) string {
	if p.Threads > 1 {
		return fmt.Sprintf("the program has %d threads before it accepts, and a fork has only one", p.Threads)
	}
	if len(p.Children) > 0 {
		return fmt.Sprintf("the program has started another process before it accepts (%s), which workers cannot share", p.Children[0])
	}
	for _, f := range p.Files {
		name, what := f.obstacle()
		if what == "" || slices.Contains(allow, name) {
			continue
		}
		return what
	}
	return ""
}

// obstacle returns the name by which an open file can be allowed, and what is wrong with it; empty: nothing.
func (f File) obstacle() (name, what string) {
	const each = "; connect in each worker, or allow it with workers: {prefork: {perl: {allow: [%q]}}}"
	mode := f.Flags & unix.O_ACCMODE
	switch {
	case f.Datagram && slices.Contains(logs, f.Peer):
		return "", ""
	case f.Peer != "":
		return f.Peer, fmt.Sprintf("the program is connected to %s before it accepts, and workers cannot share a connection"+each, f.Peer, f.Peer)
	case f.Local != "":
		return f.Local, fmt.Sprintf("the program listens on %s itself", f.Local)
	case strings.HasPrefix(f.Name, "anon_inode:"):
		return f.Name, fmt.Sprintf("the program has opened %s before it accepts, which workers cannot share", strings.TrimPrefix(f.Name, "anon_inode:"))
	case strings.HasPrefix(f.Name, "pipe:") && mode != unix.O_WRONLY:
		return f.Name, "the program reads from a pipe that it has opened before it accepts, and workers cannot share that"
	case f.Regular && mode == unix.O_RDWR:
		return f.Name, fmt.Sprintf("the program has opened %s for reading and writing before it accepts, as databases do, and workers cannot share that"+
			strings.Replace(each, "connect", "open it", 1), f.Name, f.Name)
	}
	return "", ""
}
