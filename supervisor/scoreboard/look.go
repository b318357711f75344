package scoreboard

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Look asks for all that the kernel knows of the listener: the parts Queue,
// Waiters and Conns of a [Sample], with their errors. It asks in an order in which
// no connection is missed on its way from the queue to a worker, asks for the
// queue's content only when there is any, and on TCP needs one dump for both.
func (l *Listener) Look() Sample {
	if l.domain != unix.AF_UNIX {
		return l.lookTCP()
	}
	s := l.lookAtQueue()
	s.Conns, s.ConnsErr = l.Accepted()
	return s
}

func (l *Listener) lookTCP() Sample {
	var s Sample
	s.Queue, s.QueueErr = l.Queue()
	l.mu.Lock()
	defer l.mu.Unlock()
	waiters, conns, err := l.tcpConnections()
	if err != nil {
		err = fmt.Errorf("cannot list the connections of %s: %w", l, unsupported(err))
		s.WaitersErr, s.ConnsErr = err, err
		return s
	}
	s.Waiters, s.Conns = waiters, conns
	return s
}

func (l *Listener) lookAtQueue() Sample {
	var s Sample
	s.Queue, s.QueueErr = l.Queue()
	if s.QueueErr != nil || s.Queue.Length > 0 {
		s.Waiters, s.WaitersErr = l.Waiting()
	}
	return s
}
