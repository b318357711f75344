package supervisor

import (
	"slices"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// departures tells whether somebody has left the accept queue since it was first
// looked at. Its length alone does not: where one was accepted another may wait.
type departures struct {
	line  []scoreboard.Waiter
	found bool
}

// observe is one look.
func (d *departures) observe(line []scoreboard.Waiter) {
	d.found = d.found || left(d.line, line)
	d.line = line
}

// left tells whether one of those who waited before does not wait now. On a unix
// socket only the head ever leaves, a client that has gone stays as an entry
// without a name, and who is at another place than before has moved up; on TCP the
// entries have addresses and no order.
func left(before, now []scoreboard.Waiter) bool {
	for place, w := range before {
		switch {
		case w.Remote.IsValid():
			if !slices.ContainsFunc(now, func(other scoreboard.Waiter) bool { return other.Remote == w.Remote }) {
				return true
			}
		case place >= len(now):
			return true
		case now[place].Peer != w.Peer && !now[place].Gone:
			return true
		}
	}
	return false
}
