package supervisor

import (
	"fmt"
	"os"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/listen"
)

// unapplied names what of a configuration a reload does not apply, key by key with
// both values; empty if that is nothing. Sockets were made, by us or systemd, and
// instances counted at the start. The caller holds s.reloading.
func (s *Supervisor) unapplied(app fcgisup.App) string {
	var keys []string
	differs := func(key string, configured, running any) {
		if configured != running {
			keys = append(keys, fmt.Sprintf("%s: %v is not applied, %v is in use", key, configured, running))
		}
	}
	started := s.opt.App
	switch n := len(s.instances); {
	case s.opt.All && app.Instances != n:
		keys = append(keys, fmt.Sprintf("instances: %d is not applied, %d run", app.Instances, n))
	case !s.opt.All: // the others are other supervisors'
		differs("instances", app.Instances, s.read.Instances)
	}
	for n, i := range s.instances {
		if a, bound := app.Instance(i.in.Number).Address, s.sockets[n].Listener().String(); !listen.SameAddress(a, bound) {
			differs("listen", a.Addr, bound)
			break
		}
	}
	differs("activation", app.Activation, started.Activation)
	differs("socket.user", app.Socket.User, started.Socket.User)
	differs("socket.group", app.Socket.Group, started.Socket.Group)
	differs("socket.mode", fmt.Sprintf("%04o", app.Socket.Mode), fmt.Sprintf("%04o", started.Socket.Mode))
	differs("socket.backlog", app.Socket.Backlog, started.Socket.Backlog)
	if os.Geteuid() != 0 { // we cannot become another
		differs("user", app.User, started.User)
		differs("group", app.Group, started.Group)
	}
	if len(keys) == 0 {
		return ""
	}
	return strings.Join(keys, "; ") + ": that takes a restart of fcgisup run, or under systemd fcgisup apply"
}
