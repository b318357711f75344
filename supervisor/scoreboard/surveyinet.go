package scoreboard

import "sync"

// inetSurvey is a [Survey]'s part of one family; its lists are by local port.
type inetSurvey struct {
	listeners func() (map[uint16][]inetSocket, error)
	// open lists the connections at all ports.
	open func() (map[uint16][]inetSocket, error)

	mu sync.Mutex
	// few are the connections at those ports that were asked about one by one.
	few map[uint16][]inetSocket
}

// fewPorts are asked about one by one: the kernel hands over the connections at the
// port only, and a proxy has hundreds of thousands of others. But it goes through all
// of them each time, so for more there is one list.
const fewPorts = 2

func newInetSurvey(domain int) *inetSurvey {
	list := func(states uint32) func() (map[uint16][]inetSocket, error) {
		return sync.OnceValues(func() (map[uint16][]inetSocket, error) { return listInet(domain, states) })
	}
	return &inetSurvey{listeners: list(1 << stateListen), open: list(openStates), few: map[uint16][]inetSocket{}}
}

func listInet(domain int, states uint32) (map[uint16][]inetSocket, error) {
	all := map[uint16][]inetSocket{}
	err := asking(func(l *Listener) error {
		return l.eachInet(domain, states, anyPort, func(s inetSocket) {
			all[s.local.Port()] = append(all[s.local.Port()], s)
		})
	})
	return all, err
}

// at are the connections at l's port; its lock is not held.
func (s *inetSurvey) at(l *Listener) ([]inetSocket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	port := l.addr.inet.Port()
	if conns, known := s.few[port]; known {
		return conns, nil
	}
	if len(s.few) >= fewPorts {
		if all, err := s.open(); err == nil {
			return all[port], nil
		}
	}
	var conns []inetSocket
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.eachInet(l.domain, openStates, port, func(c inetSocket) { conns = append(conns, c) })
	if err == nil {
		s.few[port] = conns
	}
	return conns, err
}
