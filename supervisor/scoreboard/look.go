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

// LookAll is Look for many listeners of one process, in the order given: one dump
// of the host's unix connections serves all of them, where each dump costs some
// 0.2 ms per 1,000 connections on the host.
func LookAll(listeners []*Listener) []Sample {
	samples := make([]Sample, len(listeners))
	for i, l := range listeners {
		if l.domain == unix.AF_UNIX {
			samples[i] = l.lookAtQueue()
		} else {
			samples[i] = l.lookTCP()
		}
	}
	shared := acceptedFrom(listeners)
	for i, l := range listeners {
		switch {
		case l.domain != unix.AF_UNIX:
		case shared != nil && shared[i] != nil:
			samples[i].Conns = shared[i]
		default:
			samples[i].Conns, samples[i].ConnsErr = l.Accepted()
		}
	}
	return samples
}

// acceptedFrom lists the connections of the unix listeners in one dump. A nil list
// means that the listener has to be asked by itself.
func acceptedFrom(listeners []*Listener) [][]Conn {
	lists := make([][]Conn, len(listeners))
	files, names := map[file]int{}, map[string]int{}
	var asker *Listener
	for i, l := range listeners {
		if !l.enter(i, files, names) {
			continue
		}
		asker, lists[i] = l, []Conn{}
	}
	if asker == nil {
		return lists
	}
	show := uint32(showPeer | showVFS)
	if len(names) > 0 {
		show |= showName
	}
	asker.mu.Lock()
	defer asker.mu.Unlock()
	err := asker.eachEstablished(show, func(s unixSocket) {
		i, ours := files[s.file]
		if !s.bound {
			i, ours = names[string(s.name)]
		}
		if ours {
			lists[i] = append(lists[i], s.conn())
		}
	})
	if err != nil {
		return nil
	}
	return lists
}

// enter notes by what the listener's connections are known. It returns false for
// TCP, for what cannot be identified, and for a second look at the same socket.
func (l *Listener) enter(i int, files map[file]int, names map[string]int) bool {
	if l.domain != unix.AF_UNIX {
		return false
	}
	if l.addr.abstract() {
		_, twice := names[l.addr.unix]
		if !twice {
			names[l.addr.unix] = i
		}
		return !twice
	}
	l.mu.Lock()
	bound, err := l.boundTo()
	l.mu.Unlock()
	if _, twice := files[bound]; err != nil || twice {
		return false
	}
	files[bound] = i
	return true
}
