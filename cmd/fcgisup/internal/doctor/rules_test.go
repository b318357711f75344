package doctor

import (
	"bytes"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

func unixAt(path string) fcgisup.Address { return fcgisup.Address{Network: "unix", Addr: path} }
func tcpAt(at string) fcgisup.Address    { return fcgisup.Address{Network: "tcp", Addr: at} }

// halfServed lets nginx pass to a name with another address, on a host that has a further one.
func halfServed(f *facts, other, own string) {
	f.web.effective.Passes = append(f.web.effective.Passes, nginx.Pass{Place: nginx.Place{File: "/x", Line: 1}, Target: "localhost:9", Address: tcpAt("localhost:9")})
	f.listeners = append(f.listeners, listener{address: tcpAt("127.0.0.1:9")})
	f.web.hosts = map[string][]netip.Addr{"localhost": {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(other)}}
	f.own = append(f.own, netip.MustParseAddr(own))
}

// soundFacts are those of a host that apply has made: the app rt with three instances.
func soundFacts() *facts {
	app := fcgisup.Default("rt")
	app.Command, app.Instances, app.After = []string{"/opt/rt"}, 3, []string{"db.service"}
	f := &facts{
		config: "/etc/fcgisup/fcgisup.yaml", somaxconn: 4096, systemd: true,
		apps: []appFacts{{App: app, socket: &access.SocketMode{UID: 33, GID: 33, Mode: 0o660}, changes: []deploy.Change{
			{Name: "systemd/rt-fastcgi@.socket", Verb: "unchanged", Old: []byte("x")},
			{Name: "nginx/rt-upstream.conf", Place: "/etc/nginx/conf.d/rt-upstream.conf", Verb: "unchanged"},
		}}},
		named: map[string]units.Unit{
			"db.service":        {Load: "loaded"},
			"rt-fastcgi.target": {Load: "loaded", State: units.State{Name: "rt-fastcgi.target", Active: "active"}, FileState: "enabled"},
		},
		web: &webFacts{
			build: nginx.Build{Version: "1.22.1"}, user: "www-data", who: &access.Credentials{UID: 33, GID: 33}, access: map[fcgisup.Address]access.Result{},
			effective: &nginx.Effective{
				Files: []string{"/etc/nginx/nginx.conf"}, Includes: []string{"/etc/nginx/conf.d/*.conf"},
				Passes:    []nginx.Pass{{Place: nginx.Place{File: "/l", Line: 3}, Target: "rt", Upstream: "rt", RetriesErrors: true, Tries: 2}},
				Upstreams: []nginx.Upstream{{Place: nginx.Place{File: "/u", Line: 1}, Name: "rt", Zone: true, Balance: "least_conn"}},
			},
		},
	}
	for n := 1; n <= 3; n++ {
		a := app.Instance(n).Address
		f.web.effective.Upstreams[0].Servers = append(f.web.effective.Upstreams[0].Servers, nginx.Server{Place: nginx.Place{File: "/u", Line: 1 + n}, Address: a})
		f.listeners = append(f.listeners, listener{address: a, acceptors: []acceptor{{pid: n, name: "rt"}}})
		f.sockets = append(f.sockets, socketFacts{
			app: "rt",
			SocketUnit: units.SocketUnit{
				Unit:    units.Unit{State: units.State{Name: units.Names("rt").Socket(n), Active: "active"}, Load: "loaded", FileState: "disabled"},
				Listen:  []fcgisup.Address{a},
				Backlog: 4096, Mode: 0o660, Service: units.Names("rt").Service(n),
			},
			service: units.ServiceUnit{Unit: units.Unit{State: units.State{Name: units.Names("rt").Service(n)}, Load: "loaded"}, PrivateTmp: true, RuntimeDirectories: []string{"/run/fcgisup/rt-1"}},
		})
	}
	return f
}

// TestDoctorRules: each fact that is worse than on a sound host, and no other, is the finding.
func TestDoctorRules(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(f *facts)
		want  string
	}{
		{"sound", func(*facts) {}, ""},
		{"an empty host", func(f *facts) { *f = facts{} }, ""},
		{"command", func(f *facts) { f.apps[0].command = &finding.Finding{ID: "command-missing"} }, "error command-missing app rt"},
		{"paths", func(f *facts) { f.apps[0].missing = []configured{{"environment_file", "/x"}} }, "error environment-file-missing app rt"},
		{"unreadable", func(f *facts) {
			f.apps[0].closed = &closedConfig{file: "/c", denied: "/c", mode: "0600 root:root", user: "x", group: "x"}
		}, "error configuration-unreadable app rt"},
		{"writable by anyone", func(f *facts) {
			f.writable = []writable{{subject: "the configuration", path: "/c", trust: &fcgisup.TrustError{Path: "/c", Anyone: true}}}
		}, "error writable-by-others the configuration"},
		{"writable by a group", func(f *facts) {
			f.writable = []writable{{subject: "app rt", path: "/e", trust: &fcgisup.TrustError{Path: "/e"}}}
		}, "warning writable-by-others app rt"},
		{"failing", func(f *facts) {
			last := &control.Failure{Cause: "exit", Detail: "exit status 1", Output: []string{"no such module."}}
			f.failing = []control.Status{{App: "rt", Instance: 1, LastFailure: last}, {App: "rt", Instance: 2, LastFailure: last}}
		}, "error instance-failing rt@{1..2}"},
		{"failing for its socket", func(f *facts) {
			last := &control.Failure{Cause: control.ListenSocket, Detail: "clients are refused: systemctl restart rt-fastcgi@1.socket makes it again"}
			f.failing = []control.Status{{App: "rt", Instance: 1, LastFailure: last}}
		}, "error instance-failing rt@1"},
		{"strict takes", func(f *facts) {
			f.apps[0].Systemd.Sandbox, f.apps[0].needs = fcgisup.Strict, sandboxNeeds{helpers: []string{"/usr/sbin/postdrop"}}
		}, "warning sandbox-strict app rt"},
		{"a path that is ignored", func(f *facts) {
			f.apps[0].needs.missing = []configured{{"systemd.service.ReadWritePaths", "/none"}}
		}, "warning path-missing app rt"},
		{"denied", func(f *facts) {
			f.denied = []control.Status{{App: "rt", Instance: 1, Denial: &fcgisup.Denial{Directive: "ProtectSystem=full", Path: "/etc/rt/x", Fix: "y"}}}
		}, "warning sandbox-denial rt@1"},
		{"failing without a reason", func(f *facts) { f.failing = []control.Status{{App: "rt", Instance: 1}} }, "error instance-failing rt@1"},
		{"not forked", func(f *facts) {
			f.unforked = []control.Status{{App: "rt", Instance: 1, Template: &control.TemplateStatus{State: control.TemplateFailed, Reason: "the program is connected to 127.0.0.1:5432"}}}
		}, "warning prefork-failed rt@1"},
		{"started again and again", func(f *facts) {
			f.sockets[0].service.Active, f.sockets[0].service.Sub, f.sockets[0].service.Result = "activating", "auto-restart", "exit-code"
			f.sockets[1].service.Active, f.sockets[1].service.Sub, f.sockets[1].service.Result = "activating", "auto-restart", "success"
		}, "error service-failed rt-fastcgi@1.service"},
		{"a failed service", func(f *facts) {
			f.sockets[0].service.Active, f.sockets[0].service.Result = "failed", "signal"
		}, "error service-failed rt-fastcgi@1.service"},
		{"left over", func(f *facts) {
			f.apps[0].Instances = 1
			f.sockets[2].Active, f.sockets[2].service.Active = "inactive", "active"
		}, "warning instance-left-over rt-fastcgi@{2..3}.socket"},
		{"over and stopped", func(f *facts) {
			f.apps[0].Instances = 2
			f.sockets[2].Active = "inactive"
		}, ""},
		{"monitor failed", func(f *facts) { f.monitor.unit.Active = "failed" }, "error monitor-failed fcgisup-monitor.service"},
		{"monitor again and again", func(f *facts) {
			f.monitor.unit.Active, f.monitor.unit.Sub, f.monitor.unit.Result = "activating", "auto-restart", "exit-code"
		}, "error monitor-failed fcgisup-monitor.service"},
		{"monitor stopped", func(f *facts) {
			f.monitor.due, f.monitor.unit.Active, f.monitor.unit.FileState = true, "inactive", "enabled"
		}, "warning monitor-stopped fcgisup-monitor.service"},
		{"no monitor wanted", func(f *facts) {
			f.monitor.due, f.monitor.unit.Active, f.monitor.unit.FileState = true, "inactive", "disabled"
		}, ""},
		{"nothing to watch", func(f *facts) { f.monitor.unit.Active, f.monitor.unit.FileState = "inactive", "enabled" }, ""},
		{"token", func(f *facts) { f.monitor.token = os.ErrNotExist }, "error monitor-token fcgisup-monitor.service"},
		{"deaf", func(f *facts) { f.monitor.unreachable = []unreachableReceiver{{"ops", "gone", "x"}} }, "error alert-unusable alert ops"},
		{"user", func(f *facts) { f.apps[0].noUsers = []configured{{"socket.user", "x"}} }, "error user-missing app rt"},
		{"group", func(f *facts) { f.apps[0].noGroups = []configured{{"group", "x"}} }, "error group-missing app rt"},
		{"after", func(f *facts) { f.named["db.service"] = units.Unit{Load: "not-found"} }, "warning dependency-not-found app rt"},
		{"requires", func(f *facts) {
			f.apps[0].After, f.apps[0].Requires = nil, []string{"db.service"}
			f.named["db.service"] = units.Unit{Load: "masked"}
		}, "error dependency-not-found app rt"},
		{"wants", func(f *facts) {
			f.apps[0].After, f.apps[0].Wants = nil, []string{"db.service"}
			f.named["db.service"] = units.Unit{Load: "loaded", State: units.State{Active: "failed"}}
		}, "warning dependency-failed app rt"},
		{"drift", func(f *facts) {
			f.apps[0].changes = append(f.apps[0].changes, deploy.Change{Place: "/u", Name: "nginx/rt-upstream.conf", Verb: "changed"})
		}, "warning drift /u"},
		{"drift without nginx", func(f *facts) {
			f.web = nil
			f.apps[0].changes = append(f.apps[0].changes, deploy.Change{Place: "/u", Name: "nginx/rt-upstream.conf", Verb: "created"})
		}, ""},
		{"not applied", func(f *facts) {
			f.apps[0].changes = []deploy.Change{{Name: "systemd/rt-fastcgi@.socket", Verb: "created"}}
		}, "note not-applied app rt"},
		{"failed", func(f *facts) {
			f.sockets[0].Active, f.sockets[0].Result = "failed", "service-start-limit-hit"
			f.sockets[1].Active, f.sockets[1].Result = "failed", "service-start-limit-hit"
			f.listeners = f.listeners[2:]
		}, "error socket-failed rt-fastcgi@{1..2}.socket"},
		{"stopped", func(f *facts) {
			f.sockets[2].Active = "inactive"
			f.listeners = f.listeners[:2]
		}, "error socket-stopped rt-fastcgi@3.socket"},
		{"stopped, and another process listens", func(f *facts) { f.sockets[2].Active = "inactive" }, ""},
		{"no service", func(f *facts) { f.sockets[1].service.Load = "not-found" }, "error service-not-found rt-fastcgi@2.socket"},
		{"no working directory", func(f *facts) { f.sockets[1].missing = []configured{{"WorkingDirectory", "/x"}} }, "error directory-missing rt-fastcgi@2.service"},
		{"no environment file", func(f *facts) { f.sockets[1].missing = []configured{{"EnvironmentFile", "/x"}} }, "error environment-file-missing rt-fastcgi@2.service"},
		{"no root", func(f *facts) { f.sockets[1].missing = []configured{{"RootDirectory", "/x"}} }, "error directory-missing rt-fastcgi@2.service"},
		{"no directory of an output", func(f *facts) { f.sockets[1].missing = []configured{{"StandardError", "/x/y"}} }, "error directory-missing rt-fastcgi@2.service"},
		{"no credential", func(f *facts) { f.sockets[1].missing = []configured{{"LoadCredential", "/x"}} }, "error path-missing rt-fastcgi@2.service"},
		{"no path to mount", func(f *facts) { f.sockets[1].missing = []configured{{"ReadWritePaths", "/x"}} }, "error path-missing rt-fastcgi@2.service"},
		{"a hidden environment file", func(f *facts) {
			f.apps[0].environment = &finding.Finding{ID: "sandbox-hides", Severity: finding.Error, Message: "It is hidden."}
		}, "error sandbox-hides app rt"},
		{"no program", func(f *facts) { f.sockets[1].program = &finding.Finding{ID: "command-missing"} }, "error command-missing rt-fastcgi@2.service"},
		{"no group", func(f *facts) { f.sockets[1].missing = []configured{{"Group", "x"}} }, "error group-missing rt-fastcgi@2.service"},
		{"lost", func(f *facts) { f.sockets[1].lost = true }, "error socket-file-missing rt-fastcgi@2.socket"},
		{"runtime directory", func(f *facts) { f.sockets[0].service.RuntimeDirectories = []string{"/run/r", "/run"} }, "error socket-in-runtime-directory rt-fastcgi@1.socket"},
		{"a directory with a similar name", func(f *facts) { f.sockets[0].service.RuntimeDirectories = []string{"/run/rt1.soc"} }, ""},
		{"a neighbour in the sockets' group", func(f *facts) {
			f.apps = append(f.apps, appFacts{App: fcgisup.App{Name: "blog", User: "blog"}, workers: &access.Credentials{UID: 7, GID: 7, Groups: []int{33}}})
		}, "warning socket-open-to-app app rt"},
		{"a neighbour without that group", func(f *facts) {
			f.apps = append(f.apps, appFacts{App: fcgisup.App{Name: "blog", User: "blog"}, workers: &access.Credentials{UID: 7, GID: 7}})
		}, ""},
		{"a neighbour of the same user", func(f *facts) {
			f.apps = append(f.apps, appFacts{App: fcgisup.App{Name: "blog", User: f.apps[0].User}, workers: &access.Credentials{UID: 7, GID: 7, Groups: []int{33}}})
		}, ""},
		{"world", func(f *facts) { f.sockets[0].open = true }, "warning socket-world-writable rt-fastcgi@1.socket"},
		{"network", func(f *facts) { f.sockets[0].Listen = append(f.sockets[0].Listen, tcpAt("0.0.0.0:9000")) }, "warning socket-open-to-network rt-fastcgi@1.socket"},
		{"loopback", func(f *facts) { f.sockets[0].Listen = append(f.sockets[0].Listen, tcpAt("[::1]:9000")) }, ""},
		{"backlog", func(f *facts) { f.somaxconn = 128 }, "warning backlog-above-somaxconn rt-fastcgi@{1..3}.socket"},
		{"backlog without a unit", func(f *facts) { f.somaxconn, f.sockets, f.named = 128, nil, nil }, "warning backlog-above-somaxconn app rt"},
		{"as many as there may", func(f *facts) { f.sockets[0].Backlog = math.MaxUint32 }, ""},
		{"start limit", func(f *facts) { f.sockets[0].service.Start = units.RateLimit{Interval: time.Second, Burst: 5} }, "warning start-limit rt-fastcgi@1.service"},
		{"trigger limit", func(f *facts) { f.sockets[0].Trigger = units.RateLimit{Interval: time.Second, Burst: 5} }, "warning trigger-limit rt-fastcgi@1.socket"},
		{"non-blocking", func(f *facts) { f.listeners[0].acceptors[0].nonblocking = true }, "note listener-nonblocking rt-fastcgi@1.socket"},
		{"non-blocking and shared", func(f *facts) {
			f.listeners[0].acceptors = []acceptor{{1, "a", true}, {2, "b", true}}
		}, "warning listener-nonblocking rt-fastcgi@1.socket"},
		{"non-blocking without a unit", func(f *facts) {
			f.listeners = append(f.listeners, listener{address: tcpAt("127.0.0.1:9000"), acceptors: []acceptor{{1, "a", true}}})
		}, "note listener-nonblocking 127.0.0.1:9000"},
		{"stale", func(f *facts) { f.sockets[0].service.Stale = true }, "warning daemon-reload-needed rt-fastcgi@1.service"},
		{"disabled", func(f *facts) {
			u := f.named["rt-fastcgi.target"]
			u.FileState = "disabled"
			f.named["rt-fastcgi.target"] = u
		}, "warning not-enabled rt-fastcgi.target"},
		{"by hand and not enabled", func(f *facts) { f.sockets[0].app = "" }, "warning not-enabled rt-fastcgi@1.socket"},
		{"by hand and wanted", func(f *facts) { f.sockets[0].app, f.sockets[0].Wanted = "", true }, ""},
		{"refused", func(f *facts) { f.web.refused = "no" }, "error nginx-refuses nginx"},
		{"unserved", func(f *facts) { f.sockets, f.listeners = f.sockets[:2], f.listeners[:2] }, "error pass-unserved /u:4"},
		{"another host", func(f *facts) {
			f.web.effective.Passes = append(f.web.effective.Passes, nginx.Pass{Address: tcpAt("192.0.2.1:9000")}, nginx.Pass{Address: tcpAt("example.net:9000")})
		}, ""},
		{"localhost is of both families", func(f *facts) {
			f.web.effective.Passes = append(f.web.effective.Passes, nginx.Pass{Address: tcpAt("localhost:9000")})
			f.listeners = append(f.listeners, listener{address: tcpAt("[::1]:9000")})
		}, ""},
		{"every address", func(f *facts) {
			f.web.effective.Passes = append(f.web.effective.Passes, nginx.Pass{Address: tcpAt("localhost:9000")})
			f.listeners = append(f.listeners, listener{address: tcpAt("[::]:9000")})
		}, ""},
		{"variable", func(f *facts) {
			f.web.effective.Passes = append(f.web.effective.Passes, nginx.Pass{Place: nginx.Place{File: "/l", Line: 5}, Variable: true})
		}, "note pass-variable /l:5"},
		{"unreached", func(f *facts) { f.web.effective = &nginx.Effective{} }, "warning app-unreached app rt"},
		{"denied", func(f *facts) { f.web.access[unixAt("/run/rt2.sock")] = access.Result{Denied: "/run/rt2.sock"} }, "error web-user-denied /u:3"},
		{"round robin", func(f *facts) { f.web.effective.Upstreams[0].Balance = "" }, "warning upstream-round-robin /u:1"},
		{"zone", func(f *facts) { f.web.effective.Upstreams[0].Zone = false }, "warning upstream-without-zone /u:1"},
		{"zone of one worker", func(f *facts) { f.web.effective.Upstreams[0].Zone, f.web.effective.OneWorker = false, true }, ""},
		{"max_fails", func(f *facts) { f.web.effective.Upstreams[0].Servers[1].MaxFails = 1 }, "warning upstream-max-fails /u:1"},
		{"a warning", func(f *facts) {
			f.warnings = fcgisup.Errors{{File: "/c", Line: 1, Col: 2, Key: "apps.rt.x", Msg: "is odd"}}
		}, "warning configuration-warning /c:1:2"},
		{"another web user", func(f *facts) {
			f.web.who, f.web.workers = &access.Credentials{UID: 9, GID: 9}, make([]nginx.Process, 1)
		}, "error web-user-denied app rt"},
		{"another web user of a stopped nginx", func(f *facts) { f.web.who = &access.Credentials{UID: 9, GID: 9} }, "warning web-user-denied app rt"},
		{"another web user in the socket's group", func(f *facts) { f.web.who = &access.Credentials{UID: 9, GID: 9, Groups: []int{33}} }, ""},
		{"another owner, and nginx passes there", func(f *facts) {
			f.web.who, f.web.workers, f.apps[0].Socket.User = &access.Credentials{UID: 9, GID: 9}, make([]nginx.Process, 1), "caddy"
		}, "error web-user-denied app rt"},
		{"a web user that was denied", func(f *facts) {
			f.web.who, f.web.access[unixAt("/run/rt2.sock")] = &access.Credentials{UID: 9, GID: 9}, access.Result{Denied: "/run/rt2.sock"}
		}, "error web-user-denied /u:3"},
		{"conf.d not included", func(f *facts) { f.web.effective.Includes = nil }, "warning nginx-not-included app rt"},
		{"conf.d not included, and the location is", func(f *facts) {
			f.web.effective.Includes = nil
			f.web.effective.Passes = append(f.web.effective.Passes, nginx.Pass{Target: "rt_backend"})
		}, "error nginx-not-included app rt"},
		{"half of a name", func(f *facts) { halfServed(f, "::1", "fd00::2") }, "warning pass-half-served /x:1"},
		{"half of a name without IPv6", func(f *facts) { halfServed(f, "::1", "192.0.2.1") }, "note pass-half-served /x:1"},
		{"max_conns", func(f *facts) { f.web.effective.Upstreams[0].Servers[1].MaxConns = 1 }, "warning upstream-max-conns /u:1"},
		{"no choice", func(f *facts) {
			u := &f.web.effective.Upstreams[0]
			u.Balance, u.Zone, u.Servers[0].MaxFails, u.Servers[1].Down, u.Servers[2].Backup = "", false, 1, true, true
		}, ""},
		{"keepalive", func(f *facts) { f.keep(8) }, "warning upstream-keepalive /u:1"},
		{"keepalive by default", func(f *facts) { f.keep(-1); f.web.build.Version = "1.29.7" }, "warning upstream-keepalive /u:1"},
		{"no keepalive by default", func(f *facts) { f.keep(-1); f.web.build.Version = "1.29.6" }, ""},
		{"keepalive 0", func(f *facts) { f.keep(0); f.web.build.Version = "1.31.0" }, ""},
		{"not reloaded", func(f *facts) { f.web.newer = []string{"/a", "/b", "/c", "/d"} }, "warning nginx-not-reloaded nginx"},
		{"blind", func(f *facts) { f.web.access[unixAt("/run/rt2.sock")] = access.Result{Missing: true, Hidden: true} }, "error web-server-blind /u:3"},
		{"a service's own socket", func(f *facts) {
			f.unowned = []unowned{{backend: f.backends()[0], unit: "php.service"}}
		}, "note pass-without-unit /u:2"},
		{"a socket without a service", func(f *facts) { f.unowned = []unowned{{backend: f.backends()[0]}} }, "warning pass-without-unit /u:2"},
		{"poison", func(f *facts) { f.web.effective.Passes[0].Tries = 0 }, "warning next-upstream-unbound /u:1"},
		{"poison that is not passed on", func(f *facts) { f.web.effective.Passes[0].Tries, f.web.effective.Passes[0].RetriesErrors = 0, false }, ""},
		{"nginx's /tmp", func(f *facts) {
			f.web.privateTmp = true
			f.web.effective.Passes = append(f.web.effective.Passes, nginx.Pass{Place: nginx.Place{File: "/l", Line: 9}, Address: unixAt("/tmp/a.sock")})
			f.listeners = append(f.listeners, listener{address: unixAt("/tmp/a.sock")})
		}, "error private-tmp /l:9"},
		{"the app's /tmp", func(f *facts) { f.sockets[0].Listen = append(f.sockets[0].Listen, unixAt("/var/tmp/a.sock")) }, "error private-tmp rt-fastcgi@1.service"},
	}
	provoked := make([]bool, len(rules()))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := soundFacts()
			test.spoil(f)
			for i, rule := range rules() {
				provoked[i] = provoked[i] || len(rule.find(f)) > 0
			}
			var got []string
			for _, one := range examine(f, false) {
				got = append(got, string(one.Severity)+" "+one.ID+" "+one.Subject)
				if one.Message == "" || strings.Contains(one.Fix, subjectMark) {
					if one.ID != "command-missing" { // made up above
						t.Errorf("%+v", one)
					}
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if at := slices.Index(provoked, false); at >= 0 {
		t.Errorf("%s is not provoked", rules()[at].name)
	}
}

// keep lets the pass ask for kept connections and the upstream keep so many, or the default.
func (f *facts) keep(n int) {
	f.web.effective.Passes[0].KeepConn = true
	if n >= 0 {
		f.web.effective.Upstreams[0].Keepalive = &n
	}
}

func TestBraces(t *testing.T) {
	for want, numbers := range map[string][]int{"3": {3}, "{1..5}": {5, 1, 2, 3, 4, 4}, "{{1..3},7}": {1, 2, 3, 7}, "{1,3}": {3, 1}} {
		if got := braces(numbers); got != want {
			t.Errorf("%v is %s, want %s", numbers, got, want)
		}
	}
}

func TestPrintFindings(t *testing.T) {
	found := merge([]finding.Finding{
		{ID: "a", Severity: finding.Note, Subject: "x", Message: "Is so.", Fix: ""},
		{ID: "b", Severity: finding.Error, Subject: "u@1.socket", Message: "Is bad.", Fix: "start {}"},
		{ID: "b", Severity: finding.Error, Subject: "u@2.socket", Message: "Is bad.", Fix: "start {}"},
		{ID: "b", Severity: finding.Error, Subject: "u@2.socket.d", Message: "Is bad.", Fix: "start {}"},
		{ID: "b", Severity: finding.Error, Subject: `a\x2db@1.socket`, Message: "Is \x1b[31mbad.", Fix: "start {}"},
	})
	var plain, coloured bytes.Buffer
	if err := printFindings(&plain, "here", found, false); err != nil {
		t.Fatal(err)
	}
	want := "errors\n  b  u@{1..2}.socket\n    Is bad.\n    fix: start u@{1..2}.socket\n  b  u@2.socket.d\n    fix: start u@2.socket.d\n  b  a\\x2db@1.socket\n    Is \\x1b[31mbad.\n    fix: start 'a\\x2db@'1.socket\n\nnotes\n  a  x\n    Is so.\n\n3 errors, 1 note; looked at here\n"
	if diff := cmp.Diff(want, plain.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := printFindings(&coloured, "here", found, true); err != nil || !strings.Contains(coloured.String(), "\x1b[1;31merrors\x1b[0m\n") {
		t.Errorf("%q, %v", coloured.String(), err)
	}
}
