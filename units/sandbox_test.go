package units

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

// filters are the directives that systemd 252 implements as system call filters, for which it
// sets no_new_privs where User= is set, systemd.exec(5); and those that say so themselves.
var filters = []string{
	"NoNewPrivileges", "SystemCallFilter", "SystemCallArchitectures", "SystemCallLog", "RestrictAddressFamilies",
	"RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RestrictFileSystems", "LockPersonality",
	"MemoryDenyWriteExecute", "PrivateDevices", "ProtectClock", "ProtectHostname", "ProtectKernelLogs",
	"ProtectKernelModules", "ProtectKernelTunables", "DynamicUser", "CapabilityBoundingSet",
}

func TestBasicLeavesSetUserIDAlone(t *testing.T) {
	app := example()
	for key := range parse(t, render(t, app, Options{})["systemd/rt-fastcgi@.service"]) {
		if _, name, _ := strings.Cut(key, "."); slices.Contains(filters, name) {
			t.Errorf("basic has %s", key)
		}
	}
}

// What the user may write outside the system's own programs stays writable, what it writes the web server may
// read, and what the configuration names in /tmp is seen, whatever names it.
func TestBasicHidesNothing(t *testing.T) {
	basic := func(change func(*fcgisup.App)) parsed {
		app := example()
		app.User = "alice"
		change(&app)
		return parse(t, render(t, app, Options{})["systemd/rt-fastcgi@.service"])
	}
	got := basic(func(*fcgisup.App) {})
	if got.one(t, "Service.ProtectSystem") != "yes" || got.one(t, "Service.ReadWritePaths") != "-/usr/local" || len(got["Service.ProtectHome"])+len(got["Service.UMask"]) > 0 {
		t.Errorf("ProtectSystem %q, ReadWritePaths %q, ProtectHome %q, UMask %q", got["Service.ProtectSystem"], got["Service.ReadWritePaths"], got["Service.ProtectHome"], got["Service.UMask"])
	}
	for want, change := range map[string]func(*fcgisup.App){
		"no":  func(a *fcgisup.App) { a.Environment = map[string]string{"LIB": "/usr/lib:/tmp/lib"} },
		"no ": func(a *fcgisup.App) { a.Nginx.Params = map[string]string{"SCRIPT_FILENAME": "/var/tmp/x.php"} },
		" no": func(a *fcgisup.App) { a.Health.Params = map[string]string{"SCRIPT_FILENAME": "/tmp/x.php"} },
		"yes": func(a *fcgisup.App) { a.Environment = map[string]string{"TMPDIR": "/tmp", "URL": "http://x/tmp/y"} },
	} {
		if got := basic(change).one(t, "Service.PrivateTmp"); got != strings.TrimSpace(want) {
			t.Errorf("PrivateTmp is %s, want %s", got, want)
		}
	}
}

// What an administrator sets is added to our lists, and replaces our other values.
func TestListsAreAdded(t *testing.T) {
	app := example()
	app.User = "alice"
	for _, tc := range []struct {
		sandbox fcgisup.Sandbox
		key     string
		set     []string
		want    []string
	}{
		{fcgisup.Strict, "SystemCallFilter", []string{"~@debug", "@mount"}, []string{"@system-service", "~@debug", "@mount"}},
		{fcgisup.Strict, "SystemCallFilter", []string{}, nil},
		{fcgisup.Strict, "RestrictAddressFamilies", []string{"AF_PACKET"}, []string{"AF_UNIX AF_INET AF_INET6 AF_NETLINK", "AF_PACKET"}},
		{fcgisup.Strict, "CapabilityBoundingSet", []string{"CAP_CHOWN"}, []string{"", "CAP_CHOWN"}},
		{fcgisup.Strict, "SystemCallArchitectures", []string{"x86"}, []string{"native", "x86"}},
		{fcgisup.Strict, "ProtectSystem", []string{"strict"}, []string{"strict"}},
		{fcgisup.Basic, "ReadWritePaths", []string{"/etc/a -/b"}, []string{"-/usr/local", "-/etc/a -/b"}},
		{fcgisup.Basic, "ReadWritePaths", []string{`"/etc/a b"`}, []string{"-/usr/local", `"/etc/a b"`}},
		{fcgisup.Off, "ReadWritePaths", []string{"+/a %S/b /c"}, []string{"-+/a -%S/b -/c"}},
		{fcgisup.Off, "BindPaths", []string{"/a:/b"}, []string{"-/a:/b"}},
		{fcgisup.Off, "SystemCallFilter", []string{"@system-service"}, []string{"@system-service"}},
	} {
		app.Systemd.Sandbox = tc.sandbox
		app.Systemd.Service = map[string][]string{tc.key: tc.set}
		got := parse(t, render(t, app, Options{})["systemd/rt-fastcgi@.service"])["Service."+tc.key]
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s, %s %q: %s", tc.sandbox, tc.key, tc.set, diff)
		}
	}
}
