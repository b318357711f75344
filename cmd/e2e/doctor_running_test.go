package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// doctorUnreadable: a configuration that the apps cannot read is found, apply begins nothing with it, and the fix holds.
func (b *box) doctorUnreadable(t *testing.T) {
	const file = "/etc/fcgisup/fcgisup.yaml"
	b.configure(t, strings.Replace(applyConfig(2)+soundConfig, "instances: 3", "instances: 4", 1))
	b.run(t, "chmod", "600", file)
	found := b.doctor(t, exitFail)
	const key = "error configuration-unreadable app web"
	finds(t, found, key, "error configuration-unreadable app port")
	if _, wrong := found["error configuration-unreadable app plain"]; wrong {
		t.Error("a plain app does not read it")
	}
	if out, code := b.try("fcgisup", "apply"); code != exitFail || !strings.Contains(out, "cannot read "+file) || !strings.Contains(out, "fix: chgrp www-data "+file) {
		t.Errorf("apply: exit %d\n%s", code, out)
	}
	if out, _ := b.try("systemctl", "is-active", "plain-fastcgi@4.socket"); strings.TrimSpace(out) != "inactive" {
		t.Errorf("apply went on: %s", out)
	}
	command, _, _ := strings.Cut(found[key].Fix, "; ")
	b.run(t, "sh", "-c", command)
	if _, still := b.doctor(t, exitDone)[key]; still {
		t.Errorf("it is still there after %s", command)
	}
	b.apply(t)
	b.configure(t, applyConfig(2)+soundConfig)
	b.apply(t)
}

// runningConfig has workers that never live, and a monitor and targets that cannot work.
const runningConfig = `
  bad: {command: [/opt/apps/bad.sh], nginx: {location: /bad}, limits: {start_timeout: 2s}, restart: {delay: 100ms}}
  badplain: {command: [/opt/apps/bad.sh], systemd: {supervise: false}, nginx: {location: /badplain}, restart: {delay: 1m, max_delay: 2m}}
monitor: {token_file: /etc/fcgisup/token}
alerts:
  to:
    - {url_file: /etc/fcgisup/gone.url}
    - {url_file: /etc/fcgisup/open.url}
    - {exec: [/opt/nosuch-page]}
    - {exec: [/opt/apps/mode-page]}
    - {exec: [/bin/true]}
    - {url_env: DOCTOR_URL}
`

// doctorRunning: instances that fail, those that are too many, and a monitor that does not watch.
func (b *box) doctorRunning(t *testing.T) {
	b.write(t, "/opt/apps/bad.sh", "#!/bin/sh\necho no such module >&2\nexit 3\n", 0o755)
	b.write(t, "/opt/apps/mode-page", "", 0o644)
	b.write(t, "/etc/fcgisup/open.url", "ntfy://localhost/x\n", 0o644)
	b.write(t, "/etc/fcgisup/token", strings.Repeat("x", 32)+"\n", 0o644)
	b.configure(t, applyConfig(2)+soundConfig+runningConfig)
	b.apply(t)
	b.write(t, "/etc/systemd/system/fcgisup-monitor.service", b.run(t, "fcgisup", "monitor", "--print-unit"), 0o644)
	b.run(t, "sed", "-i", "s/^RestartSec=.*/RestartSec=1h/", "/etc/systemd/system/fcgisup-monitor.service") // to be looked at
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "enable", "-q", "fcgisup-monitor.service")
	b.try("systemctl", "start", "--no-block", "fcgisup-monitor.service", "badplain-fastcgi@1.service")
	_, _ = b.ask("/run/bad1.sock") // wakes it, and is refused once it fails
	b.configure(t, strings.Replace(applyConfig(1)+soundConfig+runningConfig, "port: {command: [/opt/apps/web.pl], instances: 2", "port: {command: [/opt/apps/web.pl], instances: 1", 1))
	keys := []string{
		"error instance-failing bad@1",
		"error service-failed badplain-fastcgi@1.service",
		"warning instance-left-over web-fastcgi@2.socket",
		"warning instance-left-over port-fastcgi@2.socket",
		"error monitor-failed fcgisup-monitor.service",
		"error monitor-token fcgisup-monitor.service",
		"error alert-unusable alert gone",
		"error alert-unusable alert open",
		"error alert-unusable alert nosuch-page",
		"error alert-unusable alert mode-page",
		"note alert-variable alert doctor-url",
	}
	found := map[string]finding{}
	within(t, time.Minute, func() error {
		found = b.doctor(t, exitFail)
		for _, key := range keys {
			if _, ok := found[key]; !ok {
				return fmt.Errorf("no %s among\n%s", key, strings.Join(keysOf(found), "\n"))
			}
		}
		return nil
	})
	for key, words := range map[string]string{keys[0]: "no such module", keys[1]: "(exit code 3)", keys[4]: "(exit code 2)"} {
		if got := found[key].Message; !strings.Contains(got, words) {
			t.Errorf("%s: %s", key, got)
		}
	}
	if _, wrong := found["error alert-unusable alert true"]; wrong {
		t.Error("/bin/true can be run")
	}
	b.run(t, "sh", "-c", "chmod 600 /etc/fcgisup/token /etc/fcgisup/open.url; systemctl stop fcgisup-monitor.service")
	b.write(t, "/etc/default/fcgisup-monitor", "DOCTOR_URL=x\n", 0o600)
	found = b.doctor(t, exitFail)
	finds(t, found, "warning monitor-stopped fcgisup-monitor.service")
	for _, key := range []string{keys[4], keys[5], keys[7], keys[10]} {
		if _, still := found[key]; still {
			t.Errorf("%s is still there", key)
		}
	}
	b.run(t, "systemctl", "disable", "-q", "fcgisup-monitor.service")
	b.configure(t, applyConfig(2)+soundConfig)
	b.apply(t, "--drain", "0")
	if found := b.doctor(t, exitDone); len(found) > 0 {
		t.Errorf("fixed:\n%s", strings.Join(keysOf(found), "\n"))
	}
}
