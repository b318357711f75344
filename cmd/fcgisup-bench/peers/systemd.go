package peers

import (
	"context"
	"fmt"
)

// systemd is the plain template units of the article this project began with: a socket and a service each, and round
// robin over them.
func systemd() Peer {
	return &peer{name: "systemd units", unable: needsSystemd(nil), start: func(ctx context.Context, s *Service) error {
		name := s.Spec.Name
		socket := fmt.Sprintf("[Socket]\nListenStream=%s\nSocketUser=%s\nSocketGroup=%[2]s\nSocketMode=0666\n%s", s.host.path(s.Spec, "-%i.sock"), s.host.User, s.Spec.backlog("Backlog=%d\n"))
		service := fmt.Sprintf("[Service]\nUser=%s\nGroup=%[1]s\nExecStart=%s\nStandardInput=socket\nStandardOutput=null\nRestart=always\n", s.host.User, command(s.Spec))
		for _, env := range s.Spec.environment() {
			service += "Environment=" + env + "\n"
		}
		socketFile, serviceFile := unitDir+name+"@.socket", unitDir+name+"@.service"
		if err := s.host.write(socketFile, socket); err != nil {
			return err
		}
		if err := s.host.write(serviceFile, service); err != nil {
			return err
		}
		var sockets, services []string
		for i := range s.Spec.Workers {
			sockets = append(sockets, fmt.Sprintf("%s@%d.socket", name, i+1))
			services = append(services, fmt.Sprintf("%s@%d.service", name, i+1))
			s.Sockets = append(s.Sockets, s.host.path(s.Spec, fmt.Sprintf("-%d.sock", i+1)))
		}
		s.atEnd(func(ctx context.Context) error {
			return endUnits(ctx, append(sockets, name+"@*.service"), socketFile, serviceFile)
		})
		s.cgroups = []string{"system.slice/system-" + name + ".slice"}
		for _, path := range s.Sockets {
			s.front.upstream = append(s.front.upstream, "server unix:"+path+";")
		}
		s.ops[Reload] = Action{Reason: "there is nothing to reload: a changed unit takes effect at the next start"}
		s.ops[Restart] = Action{How: "systemctl restart NAME@*.service", Do: func(ctx context.Context) error {
			return run(ctx, "systemctl", "restart", name+"@*.service")
		}}
		s.ops[Scale] = Action{Reason: "nginx's upstream must be edited by hand"}
		s.ops[Upgrade] = Action{How: "systemctl daemon-reexec", Do: func(ctx context.Context) error { return run(ctx, "systemctl", "daemon-reexec") }}
		start := sockets
		if !s.Spec.Lazy {
			start = append(start, services...)
		}
		return run(ctx, append([]string{"systemctl", "start"}, start...)...)
	}}
}
