package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/lockfile"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Socket is a listening socket, held as a raw descriptor: package net would set
// O_NONBLOCK on the description that it shares with the workers.
type Socket struct {
	file *os.File // keeps fd open
	fd   int
	// current observes what fd is now; renew changes that.
	current atomic.Pointer[scoreboard.Listener]
	former  []*scoreboard.Listener
	// bound identifies the file of a unix socket that we made; nil for an inherited one.
	bound *BoundFile
	// foreign is set once a client from another network namespace was seen.
	foreign atomic.Bool
}

// BoundFile identifies a socket file that we made and may remove.
type BoundFile struct {
	Path     string
	Dev, Ino uint64
}

// Listener observes the socket as it is now.
func (s *Socket) Listener() *scoreboard.Listener { return s.current.Load() }

// NoteForeign records that a client from another network namespace was seen, HasForeign that one ever was.
func (s *Socket) NoteForeign() { s.foreign.Store(true) }

// HasForeign is explained at NoteForeign.
func (s *Socket) HasForeign() bool { return s.foreign.Load() }

// FD is the listening descriptor.
func (s *Socket) FD() int { return s.fd }

// Close closes our copy of the listener, and removes the file of a socket that
// we made if the path still leads to it.
func (s *Socket) Close() error {
	err := s.unlink()
	for _, l := range s.former {
		err = errors.Join(err, l.Close())
	}
	return errors.Join(err, s.Listener().Close(), s.file.Close())
}

func (s *Socket) unlink() error {
	if s.bound == nil {
		return nil
	}
	e, err := openEntry(s.bound.Path)
	if err != nil {
		return nil // its directory is gone
	}
	defer e.close()
	if err := e.remove(s.bound.Dev, s.bound.Ino); err != nil {
		return fmt.Errorf("cannot remove our socket: %w", err)
	}
	s.bound = nil
	return nil
}

func newSocket(f *os.File, b *BoundFile) (*Socket, error) {
	// Fd makes a non-blocking description blocking, which is what workers need.
	fd := int(f.Fd())
	listener, err := scoreboard.Open(fd)
	if err != nil {
		return nil, err
	}
	if err := listener.SetBlocking(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &Socket{file: f, fd: fd, bound: b}
	s.current.Store(listener)
	// A predecessor may have been killed within take.
	if err := s.receiveTimeout(0); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return s, nil
}

// Inherit takes a socket over from a predecessor in the same process; file is the one that it has made, if it has.
func Inherit(f *os.File, file *BoundFile) (*Socket, error) { return newSocket(f, file) }

// Bound is the file that we have made for the socket; nil for one that was inherited without.
func (s *Socket) Bound() *BoundFile { return s.bound }

// Retire takes away the file of a socket that is ours, so that no more requests come; false when it is not.
func (s *Socket) Retire() bool { return s.bound != nil && s.unlink() == nil }

// Adopt matches inherited descriptors to instances: by the name that the
// descriptor was given (FileDescriptorName=, sd_listen_fds(3)), which is the
// app's, if that leaves no choice; else by address. It takes all descriptors,
// or none.
func Adopt(files []*os.File, want []fcgisup.Instance) (map[fcgisup.Instance]*Socket, error) {
	got := map[fcgisup.Instance]*Socket{}
	fail := func(err error) (map[fcgisup.Instance]*Socket, error) {
		for _, s := range got {
			err = errors.Join(err, s.Close())
		}
		return nil, err
	}
	for i, f := range files {
		s, err := newSocket(f, nil)
		if err != nil {
			return fail(fmt.Errorf("cannot adopt descriptor %d (%s): %w", 3+i, f.Name(), err))
		}
		in, ok := owner(s.Listener().String(), f.Name(), want, len(files))
		if !ok {
			return fail(errors.Join(fmt.Errorf("cannot adopt descriptor %d (%s): no instance to run here listens on %s",
				3+i, f.Name(), s.Listener()), s.Close()))
		}
		if got[in] != nil {
			return fail(errors.Join(fmt.Errorf("cannot adopt descriptor %d (%s): %s has a socket already", 3+i, f.Name(), in), s.Close()))
		}
		got[in] = s
	}
	for _, in := range want {
		if got[in] == nil {
			return fail(fmt.Errorf("cannot adopt the inherited sockets: none is for %s (%s)", in, in.Address))
		}
	}
	return got, nil
}

// owner finds the instance that a descriptor is for.
func owner(address, name string, want []fcgisup.Instance, files int) (fcgisup.Instance, bool) {
	for _, in := range want {
		if name == in.String() || name == in.App && len(want) == 1 && files == 1 {
			return in, true
		}
	}
	for _, in := range want {
		if SameAddress(in.Address, address) {
			return in, true
		}
	}
	return fcgisup.Instance{}, false
}

// SameAddress reports whether a socket that is bound to an address is the configured one.
func SameAddress(want fcgisup.Address, bound string) bool {
	if want.Addr == bound || want.Network == "unix" && want.Canonical() == (fcgisup.Address{Network: "unix", Addr: bound}).Canonical() {
		return true
	}
	if want.Network != "tcp" {
		return false
	}
	h1, p1, err1 := net.SplitHostPort(want.Addr)
	h2, p2, err2 := net.SplitHostPort(bound)
	anyHost := func(h string) bool { return h == "" || h == "0.0.0.0" || h == "::" }
	return err1 == nil && err2 == nil && p1 == p2 && (h1 == h2 || anyHost(h1) && anyHost(h2))
}

// On makes the socket of an instance that inherited none. A socket file
// that no process listens on is replaced; one that a process does is an error that
// names who.
func On(in fcgisup.Instance, opt fcgisup.Socket) (*Socket, error) {
	return listenOn(in, opt, findNow)
}

// OnAll is On for many: it makes all sockets, or none.
func OnAll(instances []fcgisup.Instance, opt fcgisup.Socket) (map[fcgisup.Instance]*Socket, error) {
	made, known := make(map[fcgisup.Instance]*Socket, len(instances)), findListed()
	for _, in := range instances {
		s, err := listenOn(in, opt, known)
		if err != nil {
			for _, s := range made {
				err = errors.Join(err, s.Close())
			}
			return nil, err
		}
		made[in] = s
	}
	return made, nil
}

func listenOn(in fcgisup.Instance, opt fcgisup.Socket, known finder) (*Socket, error) {
	var s *Socket
	var err error
	if in.Address.Network == "unix" {
		s, err = listenUnix(in.Address.Addr, opt, known)
	} else {
		s, err = listenTCP(in.Address.Addr, opt.Backlog)
		if errors.Is(err, unix.EADDRINUSE) {
			if l, errFind := scoreboard.Find("tcp", in.Address.Addr); errFind == nil {
				err = errors.Join(fmt.Errorf("address already in use by %s", holder(l.Inode())), l.Close())
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s for %s: %w", in.Address, in, err)
	}
	return s, nil
}

func listenTCP(address string, backlog int) (*Socket, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	family, sa := sockaddr(a)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), address)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, errors.Join(os.NewSyscallError("setsockopt", err), f.Close())
	}
	if err := unix.Bind(fd, sa); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), f.Close())
	}
	return listening(f, backlog, nil)
}

// sockaddr is bind(2)'s form; no IP means every address, IPv6 and IPv4.
func sockaddr(a *net.TCPAddr) (family int, sa unix.Sockaddr) {
	if ip := a.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}
	}
	six := &unix.SockaddrInet6{Port: a.Port}
	copy(six.Addr[:], a.IP.To16())
	return unix.AF_INET6, six
}

func listening(f *os.File, backlog int, b *BoundFile) (*Socket, error) {
	if err := unix.Listen(int(f.Fd()), backlog); err != nil {
		return nil, errors.Join(os.NewSyscallError("listen", err), f.Close())
	}
	s, err := newSocket(f, b)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func listenUnix(path string, opt fcgisup.Socket, known finder) (*Socket, error) {
	o, err := socketOwnership(opt)
	if err != nil {
		return nil, err
	}
	return replaceStale(path, opt.Backlog, o, known)
}

// replaceStale makes a socket at a path where a stale one may be.
func replaceStale(path string, backlog int, o ownership, known finder) (*Socket, error) {
	lock, err := lockPath(path)
	if err != nil {
		return nil, err
	}
	defer lock.Remove()
	if err := clearStale(path, known); err != nil {
		return nil, err
	}
	return bindUnix(path, backlog, o)
}

// lockTimeout bounds the wait for another process that makes the same socket.
const lockTimeout = 10 * time.Second

// lockPath keeps two of us from taking each other's fresh socket for a stale one.
func lockPath(path string) (*lockfile.Lock, error) {
	place, err := lockfile.For(path)
	if err != nil {
		return nil, err
	}
	return lockfile.Acquire(context.Background(), place, "makes "+path, lockTimeout)
}

// Accept takes the head of the queue without touching the shared description.
func (s *Socket) Accept() net.Conn {
	if !s.Pending() {
		return nil
	}
	return s.take()
}

// acceptTimeout is a wait that only happens when an unknown process accepts as well.
const acceptTimeout = 10 * time.Millisecond

// take waits for acceptTimeout at most: accept(2) obeys a receive timeout, which
// is the socket's own, and gone before a worker could meet it.
func (s *Socket) take() net.Conn {
	if err := s.receiveTimeout(acceptTimeout); err != nil {
		return nil
	}
	fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	resetErr := s.receiveTimeout(0)
	if err != nil {
		return nil
	}
	conn := rawConn{os.NewFile(uintptr(fd), s.Listener().String())}
	if resetErr != nil {
		_ = conn.Close()
		return nil
	}
	return conn
}

func (s *Socket) receiveTimeout(d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	return unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
}
