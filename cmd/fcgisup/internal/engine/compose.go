package engine

import (
	"fmt"

	"github.com/fcgisup/fcgisup"
)

// composeFile has two services: fcgisup with its workers, and nginx.
const composeFile = `services:
  %[1]s:
    image: %[2]s
    command: [fcgisup, run, --app, %[1]s, --metrics, "0.0.0.0:%[3]d"]
    entrypoint: []
    user: "%[4]d:%[4]d"
%[5]s    # limits.stop_timeout, limits.drain_delay and 5 s.
    stop_grace_period: %[6]ds
    restart: unless-stopped
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
%[7]s    # Busy (exit code 1) does not replace the container.
    healthcheck:
      test: [CMD-SHELL, "fcgisup check --app %[1]s || test $$? -eq 1"]
      interval: 10s
      timeout: 10s
      start_period: %[8]ds
    tmpfs:
      - /run:uid=%[4]d,gid=%[4]d,mode=755
      - /tmp:mode=1777
    volumes:
      - sockets:%[9]s
    configs:
      - {source: %[1]s-fcgisup, target: %[10]s/fcgisup.yaml}
  %[1]s-nginx:
    image: %[11]s
    user: "%[4]d:%[4]d"
    depends_on: [%[1]s]
    stop_grace_period: %[6]ds
    restart: unless-stopped
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    ports: ["%[12]d:%[12]d"]
    tmpfs:
      - /tmp:mode=1777
    volumes:
      - sockets:%[9]s
    configs:
      - {source: %[1]s-server, target: /etc/nginx/conf.d/default.conf}
      - {source: %[1]s-upstream, target: /etc/nginx/conf.d/%[1]s-upstream.conf}
      - {source: %[1]s-location, target: %[13]s/%[1]s-location.conf}
volumes:
  sockets:
    driver_opts: {type: tmpfs, device: tmpfs, o: "uid=%[4]d,gid=%[4]d,mode=755"}
configs:
`

func compose(p *pod) []fcgisup.File {
	n := p.app.Name
	env, memory := "", ""
	if p.ExpandEnv {
		env = "    environment: {" + fcgisup.EnvExpand + ": \"1\"}\n"
	}
	if m := p.memory(); m > 0 {
		memory = fmt.Sprintf("    # limits.max_memory for each worker, and the memory of fcgisup.\n    mem_limit: %dm\n", m)
	}
	text := p.head("Use it with docker compose -f. $$ stands for a $ that compose must not expand.") + fmt.Sprintf(composeFile, n, quoted(p.Image), metricsPort, user, env, p.grace(), memory, seconds(p.app.Limits.StartTimeout), socketDir, configDir, nginxImage, webPort, snippetsDir)
	for _, c := range []struct{ name, text string }{{"fcgisup", p.config}, {"server", p.server()}, {"upstream", p.upstream}, {"location", p.location}} {
		text += "  " + n + "-" + c.name + ":\n    content: |\n" + indent(dollars(c.text), 6)
	}
	return []fcgisup.File{p.file(n+".yaml", text)}
}
