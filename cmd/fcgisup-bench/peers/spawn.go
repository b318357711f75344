package peers

import (
	"context"
	"strings"
)

const spawnPath, multiwatchPath = "/usr/bin/spawn-fcgi", "/usr/bin/multiwatch"

// spawnFcgi is spawn-fcgi(1) with -F: it starts them all and leaves.
func spawnFcgi() Peer {
	return &peer{name: "spawn-fcgi", files: []string{spawnPath}, unable: notLazy("it starts all at once and leaves"), start: func(ctx context.Context, s *Service) error {
		pids := s.host.path(s.Spec, ".pid")
		argv := append(s.spawnArgs("-F", number(s.Spec.Workers), "-P", pids), "--")
		s.ops[Restart] = s.unitRestart()
		gone := Action{Reason: "it has left after the start: no process is there to ask"}
		s.ops[Reload], s.ops[Scale], s.ops[Upgrade] = gone, gone, gone
		// KillMode, since the PID file has several lines and systemd reads one.
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: append(argv, s.Spec.Program.Command...), env: s.Spec.environment(), pidFile: pids})
	}}
}

// spawnArgs is the beginning of a command that binds the socket.
func (s *Service) spawnArgs(more ...string) []string {
	socket := s.host.path(s.Spec, ".sock")
	s.Sockets = []string{socket}
	argv := []string{spawnPath, "-s", socket, "-M", "0666"}
	if backlog := s.Spec.backlog("%d"); backlog != "" {
		argv = append(argv, "-b", backlog)
	}
	if user := s.host.User; user != "" {
		argv = append(argv, "-u", user, "-g", user)
	}
	return append(argv, more...)
}

// multiwatch is multiwatch(1) under spawn-fcgi -n, as both manuals have it. Debian has no unit: Restart=always.
func multiwatch(name string) Peer {
	return &peer{name: name, files: []string{spawnPath, multiwatchPath}, unable: notLazy("it starts all at once"), start: func(ctx context.Context, s *Service) error {
		argv := s.spawnArgs("-n", "--", multiwatchPath, "-f", number(s.Spec.Workers), "--")
		s.ops[Restart] = s.unitRestart()
		s.ops[Reload] = Action{Reason: "it has no command but to end"}
		s.ops[Scale] = Action{Reason: "-f is read at its start"}
		s.ops[Upgrade] = Action{Reason: "the same as restart"}
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: append(argv, s.Spec.Program.Command...), env: s.Spec.environment(), service: []string{"Restart=always"}})
	}}
}

// notLazy refuses what should start with the first request.
func notLazy(reason string) func(*Host, Spec) string {
	return func(_ *Host, s Spec) string {
		if s.Lazy {
			return reason
		}
		return ""
	}
}

// needsSystemd refuses hosts without.
func needsSystemd(more func(*Host, Spec) string) func(*Host, Spec) string {
	return func(h *Host, s Spec) string {
		if !h.Systemd {
			return "needs systemd: run as root"
		}
		if more == nil {
			return ""
		}
		return more(h, s)
	}
}

func command(s Spec) string { return strings.Join(s.Program.Command, " ") }
