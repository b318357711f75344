package fcgisup

import (
	"strings"
	"testing"
)

func TestDenied(t *testing.T) {
	const (
		perl = "cannot append to /etc/smoke/state: Read-only file system at /usr/share/perl5/Smoke.pm line 3."
		mail = "postdrop: warning: mail_queue_enter: create file maildrop/413.9: Permission denied"
		home = "bad interpreter: /home/dev/.rbenv/bin/ruby: Permission denied"
	)
	for _, tc := range []struct {
		sandbox Sandbox
		service map[string][]string
		line    string
		want    string // directive and path
		fix     string // a part
	}{
		{Basic, nil, perl, "", ""}, // the disk's: /etc is writable
		{Basic, nil, strings.Replace(perl, "/etc", "/usr/share", 1), "ProtectSystem=yes /usr/share/smoke/state", "ReadWritePaths: [/usr/share/smoke]"},
		{Basic, nil, strings.Replace(perl, "/etc", "/usr/local", 1), "", ""},
		{Strict, nil, perl, "ProtectSystem=full /etc/smoke/state", "ReadWritePaths: [/etc/smoke]"},
		{Off, nil, perl, "", ""},
		{Basic, map[string][]string{"ProtectSystem": {"no"}}, perl, "", ""},
		{Basic, map[string][]string{"ProtectSystem": {}}, perl, "", ""},
		{Off, map[string][]string{"ProtectSystem": {"strict"}}, "open /srv/x: read-only file system", "ProtectSystem=strict /srv/x", "[/srv]"},
		{Basic, nil, "open /srv/x: read-only file system", "", ""}, // the disk's, not ours
		{Strict, nil, "OSError: [Errno 30] Read-only file system: '/etc/app/db.sqlite'", "ProtectSystem=full /etc/app/db.sqlite", "[/etc/app]"},
		{Strict, nil, "PHP Warning:  fopen(/etc/dokuwiki/x.php): Failed to open stream: Read-only file system in /srv/w/x.php on line 3", "ProtectSystem=full /etc/dokuwiki/x.php", "[/etc/dokuwiki]"},
		{Off, map[string][]string{"ProtectHome": {"read-only"}}, "Error: EROFS: read-only file system, open '/home/alice/x'", "ProtectHome=read-only /home/alice/x", "[/home/alice]"},
		{Basic, nil, "attempt to write a readonly database: Read-only file system", "ProtectSystem=yes ", "DIRECTORY"},
		{Basic, nil, mail, "", ""},
		{Strict, nil, mail, "NoNewPrivileges=yes ", "sandbox: basic"},
		{Off, map[string][]string{"NoNewPrivileges": {"true"}}, mail, "NoNewPrivileges=true ", "sandbox: basic"},
		{Strict, nil, "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.", "NoNewPrivileges=yes ", "sandbox: basic"},
		{Strict, nil, "exim: setgroups failed: Operation not permitted", "NoNewPrivileges=yes ", "sandbox: basic"},
		{Basic, nil, "sudo: unable to open /etc/sudoers: Permission denied", "", ""},
		{Strict, nil, home, "ProtectHome=yes /home/dev/.rbenv/bin/ruby", "ProtectHome: read-only"},
		{Basic, nil, home, "", ""}, // readable: then it is the directory's mode
		{Strict, nil, "open /var/lib/x/db: Permission denied", "", ""},
		{Basic, nil, "connect to /tmp/.s.PGSQL.5432 failed: No such file or directory", "PrivateTmp=yes /tmp/.s.PGSQL.5432", "PrivateTmp"},
		{Basic, map[string][]string{"PrivateTmp": {"no"}}, "open /tmp/x: no such file or directory", "", ""},
		{Basic, nil, "open /srv/x: no such file or directory", "", ""},
		{Basic, nil, "cannot open /dev/video0: Operation not permitted", "DevicePolicy=closed /dev/video0", "DeviceAllow: /dev/video0"},
		{Strict, nil, "cannot open /dev/video0: No such file or directory", "PrivateDevices=yes /dev/video0", "DeviceAllow: /dev/video0"},
		{Strict, nil, "socket: Address family not supported by protocol", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK ", "AF_"},
		{Basic, nil, "socket: Address family not supported by protocol", "", ""},
		{Strict, nil, "unshare failed: Operation not permitted", "SystemCallFilter=@system-service ", "sandbox: basic"},
		{Strict, map[string][]string{"SystemCallFilter": {"~@mount"}}, "mount: Operation not permitted", "SystemCallFilter=@system-service ", "sandbox: basic"},
		{Strict, nil, "GET http://x/home/a: all is well", "", ""},
		{Strict, nil, strings.Repeat("x", 1<<16) + mail, "", ""},
		{Strict, nil, "İ /etc/x: permission denied", "", ""},
	} {
		a := Default("x")
		a.Command = []string{"/usr/bin/x"}
		a.Systemd.Sandbox, a.Systemd.Service = tc.sandbox, tc.service
		got := ""
		d, ok := a.Denied(tc.line)
		if ok {
			got = d.Directive + " " + d.Path
		}
		if got != tc.want || !strings.Contains(d.Fix, tc.fix) {
			t.Errorf("%s %v, %.80q:\n got %q (%s)\nwant %q (%s)", tc.sandbox, tc.service, tc.line, got, d.Fix, tc.want, tc.fix)
		}
	}
}

// An app that lives in a home is not kept from it.
func TestDeniedAtHome(t *testing.T) {
	a := Default("x")
	a.Command = []string{"/home/a/x"}
	if d, ok := a.Denied("open /home/a/db: Read-only file system"); ok {
		t.Errorf("%+v", d)
	}
	a.Systemd.Sandbox = Strict
	if d, ok := a.Denied("open /home/a/db: Read-only file system"); !ok || d.Directive != "ProtectHome=read-only" {
		t.Errorf("%+v", d)
	}
	if d, ok := a.Denied("open /home/a/db: Permission denied"); ok {
		t.Errorf("%+v", d)
	}
}
