package supervisor

import (
	"slices"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// queueWatch reports whether a connection has left the accept queue since it was first
// listed. Its length alone does not: where one was accepted another may wait.
type queueWatch struct {
	listing queueListing
	found   bool
}

// queueListing is the accept queue as it was listed.
type queueListing struct {
	waiters []scoreboard.Waiter
	// least and most bound the connections that wait and are not listed: those of TCP
	// clients that have reset them, which stay in the queue without an address.
	least, most int
}

// observe adds a listing.
func (d *queueWatch) observe(now queueListing) {
	d.found = d.found || hasLeft(d.listing, now)
	d.listing = now
}

// hasLeft reports whether a connection that waited before does not wait now. On a unix
// socket only the head ever leaves, a client that has gone stays as an entry
// without a name, and a client at another place than before has moved up; on TCP the
// entries have addresses and no order.
func hasLeft(before, now queueListing) bool {
	missing := 0
	for place, w := range before.waiters {
		switch {
		case w.Remote.IsValid():
			if !slices.ContainsFunc(now.waiters, func(other scoreboard.Waiter) bool { return other.Remote == w.Remote }) {
				missing++
			}
		case place >= len(now.waiters):
			return true
		case now.waiters[place].Peer != w.Peer && !now.waiters[place].Gone:
			return true
		}
	}
	return missing > 0 && missing > now.most-before.least // all those that were reset since
}
