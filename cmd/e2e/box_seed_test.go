package e2e

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
	seedUpstream = `upstream seed {
	server unix:/run/seed1.sock;
	server unix:/run/seed2.sock;
	server unix:/run/seed3.sock;
}
`
	seedLocation = `location / {
	include fastcgi_params;
	fastcgi_param SCRIPT_NAME "";
	fastcgi_param PATH_INFO $uri;
	fastcgi_pass seed;
}
`
)

func TestBoxSeed(t *testing.T) {
	inTurn(t, light)
	b := newBox(t)
	// Whatever packages this machine has, none of them is seen in a box.
	for _, kind := range []string{"service", "socket"} {
		for _, unit := range b.running(t, "*."+kind) {
			if !strings.HasPrefix(unit, "systemd-journald") && !strings.HasPrefix(unit, "dbus.") {
				t.Errorf("%s runs in a new box", unit)
			}
		}
	}
	b.copyFrom(t, "../../testdata/apps/hello.pl", "/opt/apps/hello.pl", 0o755)
	b.write(t, "/opt/apps/seed.sh", seedProgram, 0o755)
	b.write(t, "/etc/systemd/system/seed@.socket", seedSocket, 0o644)
	b.write(t, "/etc/systemd/system/seed@.service", seedService, 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "start", "seed@1.socket", "seed@2.socket", "seed@3.socket")
	b.startNginx(t)
	b.write(t, "/etc/nginx/conf.d/seed.conf", seedUpstream, 0o644)
	b.write(t, "/etc/nginx/locations/seed-location.conf", seedLocation, 0o644)
	b.site(t, "seed")
	b.reloadNginx(t)

	t.Run("the first request starts one instance", func(t *testing.T) {
		if units := b.running(t, "seed@*.service"); len(units) != 0 {
			t.Fatalf("%v run before any request", units)
		}
		if got := b.ok(t, "seed", "/"); !strings.HasPrefix(got, "hello\n") {
			t.Fatalf("answer %q", got)
		}
		if units := b.running(t, "seed@*.service"); len(units) != 1 {
			t.Fatalf("%v run after the first request, want one", units)
		}
	})
	t.Run("five fast crashes take the socket down for good", func(t *testing.T) {
		b.write(t, "/run/seed-broken", "", 0o644)
		start := time.Now()
		b.run(t, "systemctl", "kill", "-s", "KILL", b.running(t, "seed@*.service")[0])
		var failed []string
		within(t, 20*time.Second, func() error {
			failed = b.unitsOf(t, "seed@*.socket", "failed")
			if len(failed) == 0 {
				return fmt.Errorf("no socket has failed")
			}
			return nil
		})
		unit := failed[0]
		if result := b.property(t, unit, "Result"); result != "service-start-limit-hit" {
			t.Errorf("%s failed by %q, want service-start-limit-hit", unit, result)
		}
		t.Logf("%s failed %v after the first crash", unit, time.Since(start).Round(100*time.Millisecond))
		b.remove(t, "/run/seed-broken")
		_, _ = b.get("seed", "/")
		if state := b.property(t, unit, "ActiveState"); state != "failed" {
			t.Errorf("%s is %s though it was not reset: systemd has learned to recover, so the documents are wrong", unit, state)
		}
	})
}
