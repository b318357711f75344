package worker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Unready is what was seen of a worker that has not become ready.
type Unready struct {
	// Timeout is how long it had; 0: it ended by itself before.
	Timeout time.Duration
	// Clean tells that it ended with status 0.
	Clean bool
	// Output are its last lines.
	Output []string
	// Own are the addresses that its processes listen on, the instance's socket aside.
	Own []string
	// Left are processes that it has left behind, in its group or out of it.
	Left []string
}

// page matches the first line of what a CGI program or an HTTP server prints.
var page = pattern(`(?i)^\s*(HTTP/\d|(Content-Type|Status|Location|X-Powered-By|Set-Cookie|Cache-Control|Expires|Pragma)\s*:|<!doctype html|<html|<\?xml)`)

// Reason is why the worker has not become ready and what to change, in a sentence;
// empty if its exit status and its output must do.
func (u Unready) Reason() string {
	printed := slices.ContainsFunc(u.Output, page().MatchString)
	switch {
	case len(u.Own) > 0 && len(u.Left) > 0:
		return fmt.Sprintf("it went into the background (%s is left) and listens on a socket of its own, %s, instead of standard input; remove the options that do that (daemon mode, -s, -b, --listen, --socket, bindAddress)",
			strings.Join(u.Left, ", "), strings.Join(u.Own, ", "))
	case len(u.Own) > 0:
		return fmt.Sprintf("it listens on a socket of its own, %s, instead of standard input; remove the option that binds it (-s, -b, --listen, --socket, bindAddress)", strings.Join(u.Own, ", "))
	case len(u.Left) > 0:
		return fmt.Sprintf("it went into the background as a daemon (%s is left); turn that off, so that it accepts on standard input in the foreground", strings.Join(u.Left, ", "))
	case u.Timeout == 0 && u.Clean && printed:
		return "it printed a page and ended before it accepted a connection: it is CGI, not FastCGI; run it through fcgiwrap"
	case u.Timeout == 0 && u.Clean:
		return "it ended before it accepted a connection on standard input: it is not a FastCGI program, or it forks into the background; run it in the foreground, or a CGI program through fcgiwrap"
	case u.Timeout > 0 && printed:
		return "it prints a page instead of accepting connections on standard input: it is not a FastCGI program; run a CGI program through fcgiwrap"
	case u.Timeout > 0:
		return "it does not accept connections on standard input (descriptor 0); raise limits.start_timeout if it only starts slowly"
	}
	return ""
}

// mostNamed bounds the addresses and processes in a reason.
const mostNamed = 4

// ownListeners are the addresses that processes listen on, but for one socket, and
// the names of the processes.
func ownListeners(pids []int, but scoreboard.Inode) (addresses, names []string) {
	for _, pid := range pids {
		if s, err := scoreboard.ReadStat(pid); err == nil && len(names) < mostNamed {
			names = append(names, fmt.Sprintf("%s, process %d", fcgisup.Printable(s.Command), pid))
		}
	}
	by, _ := scoreboard.Sockets(pids)
	delete(by, but)
	if len(by) == 0 {
		return nil, names
	}
	all, _ := scoreboard.Listeners() // as far as they can be listed
	for inode := range by {
		if address, listens := all[inode]; listens {
			addresses = append(addresses, fcgisup.Printable(address))
		}
	}
	slices.Sort(addresses)
	return addresses[:min(len(addresses), mostNamed)], names
}

func (g *group) Listening() (addresses, names []string) {
	pids, err := g.groups.Members(g.leader)
	if err != nil {
		return nil, nil
	}
	return ownListeners(pids, g.listener.Inode())
}

// Daemonized are the processes that came from our workers and have left their groups,
// as a daemon does, with the addresses that they listen on.
func (h *Starter) Daemonized() (addresses, names []string) {
	return ownListeners(h.escaped(), h.Socket.Listener().Inode())
}
