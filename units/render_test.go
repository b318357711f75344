package units

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup"
)

func render(t testing.TB, app fcgisup.App, o Options) map[string]fcgisup.File {
	t.Helper()
	files, err := Render(app, o)
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]fcgisup.File{}
	for _, f := range files {
		byPath[f.Path] = f
	}
	return byPath
}

// FuzzRender: whatever a configuration may hold, the units parse back to it.
func FuzzRender(f *testing.F) {
	f.Add("Request Tracker", "/usr/bin/rt", "-x", "value", "/", "/run/rt%i.sock", "1G", true)
	f.Add(`100% "odd" \`, "/opt/a $b%/c", `back\slash\`, `it's "q" $HOME %i`, "/srv/x y%", "/run/x {};#%i.sock", `\`, false)
	f.Add("rt", "/usr/bin/env", "$HOME ${HOME} $$", "100%", "/", "/run/rt%i.sock", "1G", true)
	f.Add("#;", "/x", ";", "", "/", "127.0.0.1:9100", "", false)
	f.Add("", "/ü", "\t", "\u00a0", "/\u00a0", "[::1]:80", "%i", false)
	f.Fuzz(func(t *testing.T, description, program, arg, value, directory, listen, extra string, supervise bool) {
		text, err := yaml.Marshal(map[string]any{"apps": map[string]any{"app": map[string]any{
			"description": description, "command": []string{program, arg, value}, "directory": directory, "listen": listen,
			"environment": map[string]string{"A": value, "B": arg}, "instances": 2,
			"systemd": map[string]any{"supervise": supervise, "service": map[string]any{"MemoryMax": extra}},
		}}})
		if err != nil {
			t.Skip()
		}
		config, err := fcgisup.Parse("x", text)
		if err != nil {
			t.Skip()
		}
		app := config.Apps[0]
		files, err := Render(app, Options{Inline: true, Generator: "fcgisup gen app -- " + arg})
		if err != nil {
			// The few values that have no form in a unit.
			if !trimmed(directory) && !trimmed(listen) && !strings.ContainsAny(program, `\"'`) && !strings.HasSuffix(program, "/") {
				t.Fatal(err)
			}
			t.Skip()
		}
		checkRoundTrip(t, app, files)
	})
}

func checkRoundTrip(t *testing.T, app fcgisup.App, files []fcgisup.File) {
	t.Helper()
	service, socket := find(t, files, "@.service"), find(t, files, "@.socket")
	if service == nil || socket == nil {
		t.Skip("a line longer than go-systemd reads")
	}
	// systemd and the reader both drop the space around a value.
	const tail = ", FastCGI instance %i"
	described, ok := strings.CutSuffix(service.one(t, "Unit.Description"), tail)
	if want := strings.TrimSpace(cmp.Or(app.Description, app.Name) + tail); !ok || unescape(t, described)+tail != want {
		t.Errorf("Description is %q, want %q", described, want)
	}
	got := argv(t, service.one(t, "Service.ExecStart"))
	if at := slices.Index(got, "--"); app.Systemd.Supervise && at >= 0 {
		got = got[at+1:]
	}
	if !slices.Equal(got, app.Command) {
		t.Errorf("ExecStart runs %q, want %q", got, app.Command)
	}
	if values := service["Service.MemoryMax"]; !slices.Equal(values, []string{strings.TrimSpace(app.Systemd.Service["MemoryMax"][0])}) {
		t.Errorf("MemoryMax is %q, want %q", values, app.Systemd.Service["MemoryMax"])
	}
	if app.Listen.Path != "" {
		if got := socket.one(t, "Socket.ListenStream"); strings.ReplaceAll(got, "%i", "2") != strings.TrimSpace(app.Instance(2).Address.Addr) {
			t.Errorf("ListenStream is %q", got)
		}
	} else if got := find(t, files, "@2.socket.d/listen.conf").one(t, "Socket.ListenStream"); got != strings.TrimPrefix(app.Instance(2).Address.Addr, ":") {
		t.Errorf("ListenStream is %q", got)
	}
	if app.Systemd.Supervise {
		return
	}
	var environment []string
	for _, key := range []string{"A", "B"} {
		environment = append(environment, key+"="+app.Environment[key])
	}
	var assigned []string
	for _, line := range service["Service.Environment"] {
		for _, word := range words(t, line) {
			assigned = append(assigned, unescape(t, word))
		}
	}
	if !slices.Equal(assigned, environment) {
		t.Errorf("Environment is %q, want %q", assigned, environment)
	}
	if app.Directory != "/" {
		if got := unescape(t, service.one(t, "Service.WorkingDirectory")); got != strings.TrimSpace(app.Directory) {
			t.Errorf("WorkingDirectory is %q, want %q", got, app.Directory)
		}
	}
}

func find(t *testing.T, files []fcgisup.File, suffix string) parsed {
	t.Helper()
	for _, f := range files {
		if strings.HasSuffix(f.Path, suffix) {
			return parse(t, f)
		}
	}
	t.Fatalf("no %s", suffix)
	return nil
}

// example is an app that can be rendered.
func example() fcgisup.App {
	app := fcgisup.Default("rt")
	app.Command = []string{"/usr/lib/rt"}
	return app
}

// TestRestartPause: a start that can fail before fcgisup runs, and so cannot stay for a second, is not repeated quickly.
func TestRestartPause(t *testing.T) {
	for name, test := range map[string]struct {
		environmentFile string
		requires        []string
		want, because   string
	}{
		"nothing":           {"", nil, "100ms", "cannot start"},
		"may be missing":    {"-/etc/default/rt", nil, "100ms", "cannot start"},
		"must be there":     {"/etc/default/rt", nil, "1s", "environment_file:"},
		"requires":          {"", []string{"postgresql.service"}, "1s", "requires:"},
		"requires and file": {"/etc/default/rt", []string{"postgresql.service"}, "1s", "requires:"},
	} {
		t.Run(name, func(t *testing.T) {
			app := example()
			app.EnvironmentFile, app.Requires = test.environmentFile, test.requires
			f := render(t, app, Options{})["systemd/rt-fastcgi@.service"]
			if got := parse(t, f).one(t, "Service.RestartSec"); got != test.want {
				t.Errorf("RestartSec is %s, want %s", got, test.want)
			}
			lines := strings.Split(string(f.Data), "\n")
			at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "RestartSec=") })
			if reason := lines[at-1]; !strings.HasPrefix(reason, "# ") || !strings.Contains(reason, test.because) {
				t.Errorf("its reason is %q, want one with %q", reason, test.because)
			}
		})
	}
}

func TestDrops(t *testing.T) {
	app := example()
	app.Limits.StartTimeout = 1<<63 - 1
	app.Limits.StopTimeout = 1500 * time.Microsecond
	service := parse(t, render(t, app, Options{})["systemd/rt-fastcgi@.service"])
	if got := service.one(t, "Service.TimeoutStartSec"); got != "infinity" {
		t.Errorf("TimeoutStartSec is %s, want infinity", got)
	}
	if got := service.one(t, "Service.TimeoutStopSec"); got != "10001500us" {
		t.Errorf("TimeoutStopSec is %s", got)
	}
}

// TestOverride: the administrator's directive stands once, in place of ours; commands add up.
func TestOverride(t *testing.T) {
	app := example()
	app.Requires = []string{"db.service"}
	app.Systemd.Service = map[string][]string{
		"SystemCallFilter": {"@basic-io"}, "ProtectSystem": {}, "ExecStartPre": {"/bin/true"}, "MemoryMax": {`1G\`},
	}
	service := parse(t, render(t, app, Options{})["systemd/rt-fastcgi@.service"])
	for key, want := range map[string][]string{
		"SystemCallFilter": {"@basic-io"},
		"ProtectSystem":    nil,
		"ExecStartPre":     {"+/bin/systemctl start -- db.service", "/bin/true"},
		"MemoryMax":        {`1G\`},
	} {
		if got := service["Service."+key]; !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// TestSocketOwner: the web server owns the socket, and its group is the app's, so
// that the supervisor may connect without a group that its workers would have, too.
func TestSocketOwner(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fcgisup.App)
		want   string
	}{
		{"the web server's user", func(*fcgisup.App) {}, "www-data www-data"},
		{"another user", func(a *fcgisup.App) { a.User = "rt" }, "www-data rt"},
		{"another group", func(a *fcgisup.App) { a.User, a.Group = "rt", "tickets" }, "www-data tickets"},
		{"set by hand", func(a *fcgisup.App) { a.User, a.Socket.User, a.Socket.Group = "rt", "nginx", "web" }, "nginx web"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := example()
			app.User, app.Group, app.Socket.Group = "www-data", "", ""
			test.change(&app)
			files := render(t, app, Options{})
			socket := parse(t, files["systemd/rt-fastcgi@.socket"])
			if got := strings.Join(slices.Concat(socket["Socket.SocketUser"], socket["Socket.SocketGroup"]), " "); got != test.want {
				t.Errorf("the socket is %s's, want %s", got, test.want)
			}
			if got := parse(t, files["systemd/rt-fastcgi@.service"])["Service.SupplementaryGroups"]; got != nil {
				t.Errorf("the workers are in the groups %q, too", got)
			}
		})
	}
}

// TestReach: nothing that the service needs is hidden by its sandbox.
func TestReach(t *testing.T) {
	tests := []struct {
		name         string
		change       func(*fcgisup.App, *Options)
		strict, temp string
	}{
		{"neither", func(*fcgisup.App, *Options) {}, "yes", "yes"},
		{"socket in /tmp", func(a *fcgisup.App, _ *Options) { a.Listen.Path = "/tmp/x.sock" }, "yes", "no"},
		{"status socket in /tmp", func(a *fcgisup.App, _ *Options) { a.Health.Address.Path = "/var/tmp/x.sock" }, "yes", "no"},
		{"script in /home", func(a *fcgisup.App, _ *Options) { a.Command = append(a.Command, "/home/rt/rt.pl") }, "read-only", "yes"},
		{"directory in /home", func(a *fcgisup.App, _ *Options) { a.Directory = "/var/../home" }, "read-only", "yes"},
		{"configuration in /run/user", func(_ *fcgisup.App, o *Options) { o.Config = "/run/user/1000/x.yaml" }, "read-only", "yes"},
		{"binary in /tmp", func(_ *fcgisup.App, o *Options) { o.Binary = "/tmp/fcgisup" }, "yes", "no"},
		{"/homes is another", func(a *fcgisup.App, _ *Options) { a.Directory = "/homes" }, "yes", "yes"},
	}
	for _, test := range tests {
		for sandbox, home := range map[fcgisup.Sandbox]string{fcgisup.Basic: "", fcgisup.Strict: test.strict} {
			app, o := example(), Options{}
			app.Systemd.Sandbox = sandbox
			test.change(&app, &o)
			service := parse(t, render(t, app, o)["systemd/rt-fastcgi@.service"])
			if got := strings.Join(service["Service.ProtectHome"], " "); got != home {
				t.Errorf("%s, %s: ProtectHome is %s, want %s", test.name, sandbox, got, home)
			}
			if got := service.one(t, "Service.PrivateTmp"); got != test.temp {
				t.Errorf("%s, %s: PrivateTmp is %s, want %s", test.name, sandbox, got, test.temp)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		want   string
		change func(*fcgisup.App, *Options)
	}{
		{
			`cannot render units of rt: the path of fcgisup, "bin/fcgisup", must be an absolute path to a file`,
			func(_ *fcgisup.App, o *Options) { o.Binary = "bin/fcgisup" },
		},
		{
			`cannot render units of rt: the command, "@/bin/x", must be an absolute path to a file`,
			func(a *fcgisup.App, _ *Options) { a.Systemd.Supervise, a.Command = false, []string{"@/bin/x"} },
		},
		{
			`cannot render units of rt: systemd refuses quotes and backslashes in the command, "/bin/\\x"`,
			func(a *fcgisup.App, _ *Options) { a.Systemd.Supervise, a.Command = false, []string{`/bin/\x`} },
		},
		{
			`cannot render units of rt: systemd drops the white space at the end of the socket path "/run/x "`,
			func(a *fcgisup.App, _ *Options) { a.Listen.Path = "/run/x " },
		},
		{
			`cannot render units of rt: systemd reads lines of less than 1 MiB, and systemd/rt-fastcgi@.service holds one of 1048591 bytes`,
			func(a *fcgisup.App, _ *Options) {
				a.Systemd.Service = map[string][]string{"LogExtraFields": {strings.Repeat("x", 1<<20-1)}}
			},
		},
	}
	for _, test := range tests {
		app, o := example(), Options{}
		test.change(&app, &o)
		if _, err := Render(app, o); err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

// TestHeader: no generator can write a second line.
func TestHeader(t *testing.T) {
	for _, f := range render(t, example(), Options{Generator: "fcgisup gen\n[Service]\nUser=root\\"}) {
		first, rest, _ := strings.Cut(string(f.Data), "\n")
		if first != `# Generated by: fcgisup gen [Service] User=root\ ` || strings.Contains(rest, "User=root") {
			t.Errorf("%s begins with %q", f.Path, first)
		}
	}
}

// TestManyInstances: ten thousand instances stay readable, and each is named once.
func TestManyInstances(t *testing.T) {
	app := example()
	app.Instances = fcgisup.MaxInstances
	target := render(t, app, Options{})["systemd/rt-fastcgi.target"]
	for line := range strings.Lines(string(target.Data)) {
		if len(line) > listWidth+len("Wants=\n") {
			t.Fatalf("a line has %d bytes: %s", len(line), line)
		}
	}
	var names []string
	for _, line := range parse(t, target)["Unit.Wants"] {
		names = append(names, strings.Fields(line)...)
	}
	if len(names) != app.Instances || len(slices.Compact(slices.Sorted(slices.Values(names)))) != app.Instances {
		t.Errorf("%d sockets are named, want %d", len(names), app.Instances)
	}
}
