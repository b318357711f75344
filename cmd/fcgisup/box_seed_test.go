package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The seed: plain units, no supervisor. It shows that the box is a real machine, and the fault that promise 1
// of the project ends.
const (
	seedSocket = `[Socket]
ListenStream=/run/seed%i.sock
SocketUser=www-data
SocketGroup=www-data
SocketMode=0660
`
	seedService = `[Service]
User=www-data
Group=www-data
ExecStart=/opt/apps/seed.sh
StandardInput=socket
StandardOutput=null
Restart=always
`
	seedProgram = `#!/bin/sh
[ -e /run/seed-broken ] && exit 1
exec /opt/apps/hello.pl
`
	seedNginx = `upstream seed {
	server unix:/run/seed1.sock;
	server unix:/run/seed2.sock;
	server unix:/run/seed3.sock;
}
`
	seedLocation = `location /seed/ {
	include fastcgi_params;
	rewrite ^/seed(/.*)$ $1 break;
	fastcgi_param SCRIPT_NAME "";
	fastcgi_param PATH_INFO $uri;
	fastcgi_pass seed;
}
`
)

func TestBoxSeed(t *testing.T) {
	b := newBox(t)
	b.copyFrom(t, "../../testdata/apps/hello.pl", "/opt/apps/hello.pl", 0o755)
	b.write(t, "/opt/apps/seed.sh", seedProgram, 0o755)
	b.write(t, "/etc/systemd/system/seed@.socket", seedSocket, 0o644)
	b.write(t, "/etc/systemd/system/seed@.service", seedService, 0o644)
	b.startNginx(t)
	b.write(t, "/etc/nginx/conf.d/seed.conf", seedNginx, 0o644)
	b.write(t, "/etc/nginx/locations/seed.conf", seedLocation, 0o644)
	b.reloadNginx(t)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "start", "seed@1.socket", "seed@2.socket", "seed@3.socket")

	active := func() int {
		out, _ := b.try("systemctl", "list-units", "--state=active", "--plain", "--no-legend", "seed@*.service")
		return strings.Count(out, "seed@")
	}
	t.Run("lazy", func(t *testing.T) {
		if n := active(); n != 0 {
			t.Fatalf("%d services run before any request", n)
		}
		if got := b.ok(t, "/seed/"); !strings.HasPrefix(got, "hello\n") {
			t.Fatalf("answer %q", got)
		}
		if n := active(); n != 1 {
			t.Fatalf("%d services run after the first request, want 1", n)
		}
	})
	t.Run("five crashes take the socket down for good", func(t *testing.T) {
		b.write(t, "/run/seed-broken", "", 0o644)
		b.run(t, "systemctl", "stop", "seed@1.service")
		_, _ = b.get("/seed/")
		for range 3 {
			_, _ = b.get("/seed/")
		}
		b.eventually(t, 20*time.Second, func() error {
			state, result := b.property(t, "seed@1.socket", "ActiveState"), b.property(t, "seed@1.socket", "Result")
			if state != "failed" || result != "service-start-limit-hit" {
				return fmt.Errorf("socket is %s (%s), with the program broken", state, result)
			}
			return nil
		})
		b.remove(t, "/run/seed-broken")
		time.Sleep(2 * time.Second)
		if state := b.property(t, "seed@1.socket", "ActiveState"); state != "failed" {
			t.Errorf("socket is %s after the program was mended: systemd has learned to recover, so tell the documents", state)
		}
	})
}
