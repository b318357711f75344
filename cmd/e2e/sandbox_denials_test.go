package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// doesProgram runs a command for each request, with the worker's standard error.
const doesProgram = `#!/usr/bin/perl
use FCGI;
my $does = $ENV{DOES}; # a request has an environment of its own
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
	system '/bin/sh', '-c', $does;
	print "Content-Type: text/plain\r\n\r\ndone\n";
}
`

// breakages are the kinds of things that programs do and that sandbox: strict forbids, each with what doctor says of it.
var breakages = []struct{ app, does, reason, fix string }{
	{"etc", "echo x >/etc/breaks/file", "which may come from the sandbox: ProtectSystem=full, /etc/breaks/file", "apps.etc: systemd: {service: {ReadWritePaths: [/etc/breaks]}}"},
	{"usr", "mkdir /usr/local/breaks/cache", "which may come from the sandbox: ProtectSystem=full, /usr/local/breaks/cache", "apps.usr: systemd: {service: {ReadWritePaths: [/usr/local/breaks]}}"},
	{"home", "cat /home/reader/notes", "which may come from the sandbox: ProtectHome=yes, /home/reader/notes", "apps.home: systemd: {service: {ProtectHome: read-only}}"},
	{"temporary", "cat /tmp/shared", "which may come from the sandbox: PrivateTmp=yes, /tmp/shared", `apps.temporary: systemd: {service: {PrivateTmp: "no"}}`},
	{"device", "cat /dev/extra", "which may come from the sandbox: PrivateDevices=yes, /dev/extra", `apps.device: systemd: {service: {PrivateDevices: "no", DeviceAllow: /dev/extra}}`},
	{"namespaces", "unshare --user true", "which may come from the sandbox: SystemCallFilter=@system-service", "apps.namespaces: systemd: {sandbox: basic}"},
	{"personality", "setarch -R true", "which may come from the sandbox: SystemCallFilter=@system-service", "apps.personality: systemd: {sandbox: basic}"},
	{"family", `perl -MSocket -e 'socket my $s, 38, SOCK_SEQPACKET, 0 or warn "socket: $!"'`, "which may come from the sandbox: RestrictAddressFamilies=", "apps.family: systemd: {service: {RestrictAddressFamilies: [AF_…]}}"},
	{"group", "/usr/local/bin/hand-in /var/spool/handed/in", "sandbox: strict forbids it set-user-ID and set-group-ID programs (/usr/local/bin/hand-in (set-group-ID mail)", "fcgisup sandbox group prints configuration that permits them"},
	{"interpreter", "true", "(ProtectHome=yes) hides /home/tools/perl, which the first line of /opt/apps/interpreter.pl names", `apps.interpreter.systemd: {service: {ProtectHome: "read-only"}}`},
}

// TestDoctorFindsWhatStrictBreaks: of a program that strict breaks, doctor names the directive, and how it is permitted.
func TestDoctorFindsWhatStrictBreaks(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/usr/bin/perl", "/usr/bin/setarch")
	b := newBox(t)
	b.installPrograms(t)
	b.run(t, "sh", "-ec", `useradd -m reader && install -m644 -o reader /dev/null /home/reader/notes && chmod 755 /home/reader
		install -d -o www-data /etc/breaks /usr/local/breaks && install -d -g mail -m2775 /var/spool/handed
		install -m2755 -g mail /usr/bin/touch /usr/local/bin/hand-in
		install -m644 /dev/null /tmp/shared && mknod -m666 /dev/extra c 1 7
		install -d /home/tools && ln -s /usr/bin/perl /home/tools/perl`)
	config := "apps:\n"
	var apps []string
	for _, k := range breakages {
		program := doesProgram
		if k.app == "interpreter" {
			program = strings.Replace(program, "/usr/bin/perl", "/home/tools/perl", 1)
		}
		b.write(t, programPath(k.app), program, 0o755)
		config += fmt.Sprintf("  %s:\n    command: [%s]\n    user: www-data\n    group: www-data\n    environment: {DOES: %q}\n    listen: /run/%[1]s.sock\n    limits: {queue_timeout: 100ms}\n    systemd: {sandbox: strict}\n", k.app, programPath(k.app), k.does)
		apps = append(apps, k.app)
	}
	b.startNginx(t)
	b.deploy(t, config, apps...)
	for _, k := range breakages {
		if k.app == "interpreter" {
			if got, err := b.get(k.app, "/"); err != nil || got.status != 503 {
				t.Errorf("%s: %v, %v; want 503", k.app, got, err)
			}
			continue
		}
		b.ok(t, k.app, "/")
	}
	doctor, _ := b.try("fcgisup", "doctor")
	for _, k := range breakages {
		if !strings.Contains(doctor, k.reason) || !strings.Contains(doctor, k.fix) {
			t.Errorf("%s (%s): doctor does not say %q and %q", k.app, k.does, k.reason, k.fix)
		}
	}
	if st, err := b.full("interpreter"); err != nil || st.LastFailure == nil || !strings.Contains(st.LastFailure.Detail, "names an interpreter: user www-data may not search the directory /home (") {
		t.Errorf("last failure %+v, %v", st.LastFailure, err)
	}
	if t.Failed() {
		t.Log(doctor)
	}
}
