package engine

import (
	"fmt"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/units"
)

// quadlet keeps what systemd does for instances: a socket for each, whose first connection starts the container with the
// socket inherited. The host's configuration is mounted.
func quadlet(p *pod) []fcgisup.File {
	n := p.app.Name
	if u := p.app.User; u != "www-data" {
		p.note("user", "the container runs as the user of the image, which must be %s", u)
	}
	for _, key := range []struct {
		name string
		set  bool
	}{{"systemd.sandbox", p.app.Systemd.Sandbox != fcgisup.Basic}, {"systemd.service", len(p.app.Systemd.Service) > 0}, {"systemd.supervise", !p.app.Systemd.Supervise}} {
		if key.set {
			p.note(key.name, "the container's own settings apply")
		}
	}
	memory := ""
	if m := p.memory(); m > 0 {
		memory = fmt.Sprintf("# limits.max_memory for each worker, and the memory of fcgisup.\nPodmanArgs=--memory=%dm\n", m)
	}
	container := p.head("Install it in /etc/containers/systemd.") + fmt.Sprintf(`
[Unit]
Description=FastCGI app %[1]s, instance %%i, in a container
%[2]s# fcgisup limits the rate of restarts itself.
StartLimitIntervalSec=0

[Container]
Image=%[3]s
# Podman refuses the @ of the unit's name.
ContainerName=%[1]s-fastcgi-%%i
PodmanArgs=--entrypoint=fcgisup
Exec=run --app %[1]s --instance %%i
# READY when the first worker is ready, as without a container.
Notify=true
# The socket is inherited. Its queue and connections are visible in the network namespace where it was created.
Network=host
Volume=%[4]s:%[4]s:ro
ReadOnly=true
Tmpfs=/run
DropCapability=all
NoNewPrivileges=true
%[5]s# limits.stop_timeout, limits.drain_delay and 5 s.
PodmanArgs=--stop-timeout=%[6]d

[Service]
Restart=always
# After limits.idle_timeout the instance sleeps; the next connection starts the container again.
RestartPreventExitStatus=0
TimeoutStopSec=%[7]d
`, n, p.dependencies(), p.Image, configDir, memory, p.grace(), p.grace()+5)
	var files []fcgisup.File
	rendered, err := units.Render(p.app, units.Options{Binary: units.Binary, Generator: p.Generator})
	if err != nil {
		return nil
	}
	for _, f := range rendered {
		if strings.Contains(f.Path, "@") && !strings.HasSuffix(f.Path, ".service") || strings.HasSuffix(f.Path, ".target") {
			f.Path = "quadlet/" + strings.TrimPrefix(f.Path, "systemd/")
			files = append(files, f)
		}
	}
	return append(files, p.file(n+"-fastcgi@.container", container))
}

// dependencies are the lines of the unit that order it after others.
func (p *pod) dependencies() string {
	var lines strings.Builder
	for _, list := range []struct {
		key   string
		units []string
	}{{"After", p.app.After}, {"Wants", p.app.Wants}, {"Requires", p.app.Requires}} {
		if len(list.units) > 0 {
			lines.WriteString(list.key + "=" + strings.Join(list.units, " ") + "\n")
		}
	}
	return lines.String()
}
