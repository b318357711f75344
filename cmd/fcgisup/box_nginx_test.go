package main

import (
	"testing"
)

const nginxSocket = "/run/web.sock"

// nginxConfig is Debian's nginx.conf cut to what matters: the same user, several workers, what was generated
// in conf.d, and one server that includes the generated locations.
const nginxConfig = `user www-data;
worker_processes 2;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 1024; }
http {
	access_log off;
	include /etc/nginx/conf.d/*.conf;
	server {
		listen 80 default_server;
		listen unix:` + nginxSocket + `;
		include /etc/nginx/locations/*.conf;
	}
}
`

// startNginx starts the box's nginx with nothing behind it yet.
func (b *box) startNginx(t *testing.T) {
	t.Helper()
	b.write(t, "/etc/nginx/nginx.conf", nginxConfig, 0o644)
	b.run(t, "sh", "-c", "rm -f /etc/nginx/conf.d/* && mkdir -p /etc/nginx/locations")
	b.run(t, "systemctl", "start", "nginx.service")
}

func (b *box) reloadNginx(t *testing.T) {
	t.Helper()
	b.run(t, "nginx", "-q", "-t")
	b.run(t, "systemctl", "reload", "nginx.service")
}
