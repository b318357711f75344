package supervisor

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

func TestLeft(t *testing.T) {
	unix := func(peers ...scoreboard.Inode) (line []scoreboard.Waiter) {
		for _, p := range peers {
			line = append(line, scoreboard.Waiter{Peer: p, Gone: p == 0})
		}
		return line
	}
	tcp := func(ports ...uint16) (line []scoreboard.Waiter) {
		for _, p := range ports {
			line = append(line, scoreboard.Waiter{Remote: netip.AddrPortFrom(netip.IPv6Loopback(), p)})
		}
		return line
	}
	for name, test := range map[string]struct {
		before, now []scoreboard.Waiter
		want        bool
	}{
		"none came":                       {nil, nil, false},
		"one came":                        {nil, unix(7), false},
		"one more came":                   {unix(7), unix(7, 8), false},
		"all left":                        {unix(7, 8), nil, true},
		"the head left":                   {unix(7, 8), unix(8), true},
		"one left, one came":              {unix(7), unix(8), true},
		"the head left, one came":         {unix(7, 8), unix(8, 9), true},
		"a client has gone":               {unix(7, 8), unix(0, 8), false},
		"who had gone was accepted":       {unix(0, 8), unix(8, 9), true},
		"all clients have gone":           {unix(7, 8), unix(0, 0), false},
		"one of the nameless left":        {unix(0, 0), unix(0), true},
		"TCP: one more came, other order": {tcp(7), tcp(8, 7), false},
		"TCP: one left, one came":         {tcp(7, 8), tcp(8, 9), true},
		"TCP: all left":                   {tcp(7), nil, true},
	} {
		if got := hasLeft(queueListing{waiters: test.before}, queueListing{waiters: test.now}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestTCPClientsThatReset: what they have reset is not listed, and stays in the queue until it is accepted.
func TestTCPClientsThatReset(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := listen.Inherit(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	h := &realHost{socket: socket}
	waiters := func(listed, all int) queueListing {
		t.Helper()
		var now queueListing
		eventually(t, "the queue shows it", func() bool {
			now, err = h.waiters()
			return err != nil || len(now.waiters) == listed && now.most == all-listed
		})
		if err != nil {
			t.Skip(err)
		}
		return now
	}
	var clients []*net.TCPConn
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c.(*net.TCPConn))
	}
	var d queueWatch
	d.observe(waiters(2, 2))
	_ = clients[0].SetLinger(0)
	_ = clients[0].Close()
	d.observe(waiters(1, 2))
	d.observe(waiters(1, 2))
	if d.found {
		t.Error("a client that has reset its connection counts as accepted")
	}
	third, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	d.observe(waiters(2, 3))
	if d.found {
		t.Error("a client that came counts as one that was accepted")
	}
	for range 2 {
		if c, err := l.Accept(); err == nil {
			defer c.Close()
		}
	}
	d.observe(waiters(1, 1))
	if !d.found {
		t.Error("none seems to have been accepted")
	}
}
