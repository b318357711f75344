package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const needyConfig = `apps:
  needy:
    command: [/opt/apps/needy.pl]
    listen: /run/needy.sock
    systemd: {sandbox: %s, service: {ReadWritePaths: [/var/lib/not-there%s]}}
`

// needyProgram answers with what it may do: run a set-group-ID helper, write below /var, /etc, /home and /usr/local.
const needyProgram = `#!/usr/bin/perl
use FCGI; use POSIX ();
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
	my $group = (split ' ', readpipe '/usr/local/bin/needy-helper')[0];
	print "Content-Type: text/plain\r\n\r\nhelper=$group";
	for my $dir ('/var/lib/needy', '/etc/needy', '/home/shared', '/usr/local/needy', '/usr/share/needy') {
		my $ok = open(my $file, '>', "$dir/x");
		my $line = "cannot write $dir/x: $!\n";
		POSIX::write(2, $line, length $line) unless $ok;
		print " $dir=", $ok ? 'written' : 'refused';
	}
	print "\n";
}
`

// TestSandboxes: a program with a set-group-ID helper, and directories of its own, has all of them in the
// default sandbox but for those among the system's programs; what is refused is told with the way out, and strict is announced.
func TestSandboxes(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	b := newBox(t)
	b.write(t, "/opt/apps/needy.pl", needyProgram, 0o755)
	b.run(t, "sh", "-c", "cp /usr/bin/id /usr/local/bin/needy-id && printf '#!/bin/sh\\nexec /usr/local/bin/needy-id -gn\\n' >/usr/local/bin/needy-helper && chmod 755 /usr/local/bin/needy-helper")
	b.run(t, "sh", "-c", "chgrp mail /usr/local/bin/needy-id && chmod 2755 /usr/local/bin/needy-id && install -d -o www-data /var/lib/needy /etc/needy /home/shared /usr/local/needy /usr/share/needy")
	b.install(t)
	b.startNginx(t)
	b.deploy(t, fmt.Sprintf(needyConfig, "basic", ""), "needy")
	b.needyAnswers(t, "helper=mail /var/lib/needy=written /etc/needy=written /home/shared=written /usr/local/needy=written /usr/share/needy=refused")
	told := "the sandbox may forbid this (ProtectSystem=yes, /usr/share/needy/x); permitted by systemd: {service: {ReadWritePaths: [/usr/share/needy]}}"
	within(t, time.Minute, func() error {
		if out := b.run(t, "fcgisup", "status"); !strings.Contains(out, told) {
			return fmt.Errorf("status does not tell: %s", out)
		}
		return nil
	})
	if out, _ := b.try("fcgisup", "doctor"); !strings.Contains(out, "sandbox-denial  needy@1") || !strings.Contains(out, "path-missing") {
		t.Errorf("doctor does not tell: %s", out)
	}
	out := b.sandboxOf(t, "needy")
	for _, want := range []string{"/usr/local/bin/needy-id (set-group-ID mail)", "ReadWritePaths: [/etc/needy, ", "/var/lib/needy\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("sandbox does not name %q: %s", want, out)
		}
	}

	b.deploy(t, fmt.Sprintf(needyConfig, "strict", ", /etc/needy, /usr/local/needy, /usr/share/needy"), "needy")
	if out := b.run(t, "fcgisup", "validate"); !strings.Contains(out, "sandbox: strict forbids it set-user-ID") || strings.Contains(out, "directories of its user") {
		t.Errorf("validate does not warn of what strict takes: %s", out)
	}
	b.run(t, "systemctl", "restart", "needy-fastcgi@1.service")
	b.needyAnswers(t, "helper=www-data /var/lib/needy=written /etc/needy=written /home/shared=refused /usr/local/needy=written /usr/share/needy=written")
	b.needyMounts(t)
}

// sandboxOf is fcgisup sandbox of an app, once it has seen all: on a busy machine its time may end first, which it tells.
func (b *box) sandboxOf(t *testing.T, app string) (out string) {
	t.Helper()
	within(t, time.Minute, func() error {
		if out = b.run(t, "fcgisup", "sandbox", app); strings.Contains(out, "The list is incomplete") {
			return errors.New(out)
		}
		return nil
	})
	return out
}

// needyMounts: a service that systemd cannot start for a path in a directive says which one, and how to go on.
func (b *box) needyMounts(t *testing.T) {
	t.Helper()
	b.write(t, "/etc/systemd/system/needy-fastcgi@.service.d/paths.conf", "[Service]\nReadWritePaths=/srv/not-there\n", 0o644)
	b.run(t, "sh", "-c", "systemctl daemon-reload && systemctl stop needy-fastcgi@1.service && systemctl start --no-block needy-fastcgi@1.service")
	const told = "the sandbox may forbid this: ReadWritePaths=/srv/not-there does not exist"
	for command, want := range map[string]string{"status": told + "; create /srv/not-there, or write -/srv/not-there", "doctor": "ReadWritePaths=/srv/not-there does not exist"} {
		within(t, 30*time.Second, func() error {
			if out, _ := b.try("fcgisup", command); !strings.Contains(out, want) {
				return fmt.Errorf("%s does not tell: %s", command, out)
			}
			return nil
		})
	}
}

// needyAnswers waits for the answer of needy.
func (b *box) needyAnswers(t *testing.T, want string) {
	t.Helper()
	within(t, time.Minute, func() error {
		got, err := b.get("needy", "/")
		if err == nil && strings.TrimSpace(got.body) != want {
			err = fmt.Errorf("%q, want %q", got.body, want)
		}
		return err
	})
}
