package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const acceptedConfig = `apps:
  kept:
    command: [/opt/apps/kept.pl]
    user: www-data
    group: www-data
    listen: /run/kept.sock
`

// TestRefusedConfiguration: an app whose configuration is invalid when its service starts, as after a reboot, runs with the
// one that apply, or the service itself, has accepted, and status, journal, doctor and the monitor say so until the file is corrected.
func TestRefusedConfiguration(t *testing.T) {
	inTurn(t, long)
	b := newBox(t)
	b.installPrograms(t, "kept")
	b.startNginx(t)
	b.configure(t, acceptedConfig)
	b.run(t, "fcgisup", "apply")
	b.site(t, "kept")
	b.run(t, "sh", "-c", "ln -sf /etc/nginx/snippets /etc/nginx/locations")
	b.reloadNginx(t)
	b.ok(t, "kept", "/")

	own := "/var/lib/fcgisup/apps/kept/%2Fetc%2Ffcgisup%2Ffcgisup.yaml"
	within(t, time.Minute, func() error {
		if got, err := b.try("stat", "-c", "%a %U", own); err != 0 || got != "600 www-data\n" {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	b.write(t, "/etc/fcgisup/fcgisup.yaml", acceptedConfig+"    instance: 2\n", 0o644)
	b.run(t, "systemctl", "restart", service("kept", 1))
	b.ok(t, "kept", "/")
	b.run(t, "mv", "/var/lib/fcgisup/accepted", "/var/lib/fcgisup/away") // a host without apply has the service's own copy
	b.run(t, "systemctl", "restart", service("kept", 1))
	b.ok(t, "kept", "/")
	b.run(t, "mv", "/var/lib/fcgisup/away", "/var/lib/fcgisup/accepted")
	st, err := b.full("kept")
	if err != nil || !strings.HasPrefix(st.ConfigError, "runs with the last accepted configuration of 20") || !strings.Contains(st.ConfigError, "/etc/fcgisup/fcgisup.yaml:7:5: ") {
		t.Errorf("config_error %q, %v", st.ConfigError, err)
	}
	for _, said := range []struct{ where, text string }{
		{"journal", b.journal(service("kept", 1))},
		{"status", b.run(t, "fcgisup", "status")},
	} {
		if !strings.Contains(said.text, "runs with the last accepted configuration of 20") {
			t.Errorf("%s does not say it:\n%s", said.where, said.text)
		}
	}
	if out, _ := b.try("fcgisup", "doctor"); !strings.Contains(out, "fcgisup.yaml:7:5: ") {
		t.Errorf("doctor does not say it:\n%s", out)
	}
	b.run(t, "sh", "-c", "fcgisup monitor --print-unit >/etc/systemd/system/fcgisup-monitor.service && systemctl daemon-reload && systemctl start fcgisup-monitor")
	within(t, time.Minute, func() error {
		r, err := b.report()
		if err == nil && (len(r.Apps) != 1 || r.Accepted == nil || !strings.Contains(r.Accepted.Error, ":7:5: ")) {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	if out, code := b.try("fcgisup", "run", "--app", "kept"); code != 2 {
		t.Errorf("at a terminal: exit %d, want 2: %s", code, out)
	}

	b.configure(t, acceptedConfig)
	b.run(t, "fcgisup", "apply")
	b.run(t, "fcgisup", "reload", "kept")
	within(t, time.Minute, func() error {
		st, err := b.full("kept")
		if err == nil && st.ConfigError != "" {
			err = fmt.Errorf("still %q", st.ConfigError)
		}
		return err
	})
	b.run(t, "rm", "/etc/nginx/sites-enabled/kept.conf")
	b.run(t, "fcgisup", "remove", "kept")
	if out := b.run(t, "ls", "-A", "/var/lib/fcgisup/accepted", "/var/lib/fcgisup/apps"); out != "/var/lib/fcgisup/accepted:\n\n/var/lib/fcgisup/apps:\n" {
		t.Errorf("remove leaves %s", out)
	}
}
