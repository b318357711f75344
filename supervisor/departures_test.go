package supervisor

import (
	"net/netip"
	"testing"

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
		"nobody came":                     {nil, nil, false},
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
		if got := left(test.before, test.now); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
