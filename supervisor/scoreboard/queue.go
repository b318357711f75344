package scoreboard

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Queue reads the accept queue: sock_diag for unix sockets, /proc/net/unix where
// netlink is refused (length without capacity), TCP_INFO for TCP (tcp(7)).
func (l *Listener) Queue() (Queue, error) {
	if l.domain != unix.AF_UNIX {
		return l.tcpQueue()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.lookup(showRQLen)
	if err == nil && s.queueKnown {
		return Queue{Length: int(s.queued), Capacity: KnownLimit(int(s.backlog)), Source: SockDiag}, nil
	}
	listing, listErr := l.list()
	if listErr != nil {
		return Queue{}, fmt.Errorf("cannot read the queue of %s: %w", l, errors.Join(err, listErr))
	}
	return Queue{Length: listing.queued, Source: ProcNet}, nil
}

func (l *Listener) tcpQueue() (Queue, error) {
	if l.fd < 0 {
		return l.tcpQueueDiag()
	}
	info, err := unix.GetsockoptTCPInfo(l.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Queue{}, fmt.Errorf("cannot read the queue of %s: %w", l, err)
	}
	return Queue{Length: int(info.Unacked), Capacity: KnownLimit(int(info.Sacked)), Source: TCPInfo}, nil
}

// Waiting lists who waits in the accept queue. On a unix socket the order is the
// queue's, head first; on TCP the kernel does not tell the order, and a client
// that has reset its connection has left. The error wraps [ErrUnsupported] when
// netlink is refused or the listener is MPTCP.
func (l *Listener) Waiting() ([]Waiter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var (
		w   []Waiter
		err error
	)
	if l.domain == unix.AF_UNIX {
		w, err = l.unixWaiting()
	} else {
		w, err = l.tcpWaiting()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list who waits at %s: %w", l, unsupported(err))
	}
	return w, nil
}

func (l *Listener) unixWaiting() ([]Waiter, error) {
	s, err := l.lookup(showIcons)
	if errors.Is(err, unix.EMSGSIZE) {
		return l.unixWaitingLong()
	}
	if err != nil {
		return nil, err
	}
	return s.waiters(), nil
}

// unixWaitingLong reads a queue of more than some 900 entries. The answer to a
// lookup is limited to one page, that of a dump to 32 KiB, but only once the
// kernel has seen us read with a buffer of that size: hence a short lookup first.
func (l *Listener) unixWaitingLong() ([]Waiter, error) {
	if _, err := l.lookup(showRQLen); err != nil {
		return nil, err
	}
	var (
		w     []Waiter
		found bool
	)
	request := unixRequest(0, 1<<stateListen, showIcons)
	err := l.ask(func(c *diagConn) error {
		return c.dump(request[:], func(payload []byte) error {
			s, err := parseUnixSocket(payload)
			if err == nil && s.inode == uint32(l.inode) && s.iconsKnown {
				w, found = s.waiters(), true
			}
			return err
		})
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: the queue is too long for a netlink message", ErrUnsupported)
	}
	return w, err
}

func (l *Listener) tcpWaiting() ([]Waiter, error) {
	waiters, _, err := l.tcpConnections()
	return waiters, err
}

// unsupported marks what a sandbox or an absent kernel module refuses, so that a
// caller can tell "never" from "not now".
func unsupported(err error) error {
	if errors.Is(err, ErrUnsupported) || !refusal(err) && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnsupported, err)
}
