package fcgisup

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// everyKey sets each key of the schema to something other than the default.
const everyKey = `
apps:
  all:
    description: All of it
    command: /bin/prog "two words" \x41 'it''s'
    directory: /srv
    user: u
    group: g
    environment: {A: b, PATH: /bin}
    environment_file: -/etc/default/all
    after: [a.service]
    wants: b.service
    requires: [c.target]
    instances: 2
    workers: {min: 0, max: 8, spare: 2}
    activation: fleet
    listen: 127.0.0.1:9100
    socket: {user: su, group: sg, mode: "0600", backlog: 16}
    health:
      path: /p?q
      script_name: /s
      method: HEAD
      host: h
      port: 8080
      params: {SCRIPT_FILENAME: /x}
      address: /run/status%i.sock
      expect: {status: [200-299, 304], body: ^ok}
      interval: 1s
      timeout: 2s
      failures: 5
      ready_queue: 9
    limits:
      start_timeout: 1s
      stop_timeout: 2s
      request_timeout: 3s
      idle_timeout: 4s
      queue_timeout: 5m
      queue_wait: 3s
      drain_delay: 7s
      max_age: 6h
      max_memory: 512MiB
    restart: {delay: 1s, max_delay: 2s, factor: 1.5}
    stop_signal: USR1
    hosts: [a.example, 10.0.0.7]
    nginx: {upstream: up, balance: ip_hash, location: /l, resolver: 192.0.2.53 valid=10s, read_timeout: 30s, params: {X: $uri}}
    web: {root: /srv/www, connections: 3}
    systemd: {socket: {FreeBind: "true"}, service: {ReadWritePaths: [/a, /b]}, sandbox: off, supervise: true}
monitor: {listen: "*:9181", token_file: /etc/fcgisup/token, interval: 1s}
alerts:
  for: 0s
  repeat: 1h
  to:
    - {url_file: /etc/fcgisup/Telegram.url}
    - {url_env: MAIL_URL}
    - {exec: /usr/local/bin/page --loud}
    - {name: ops, exec: [/usr/local/bin/page]}
`

func TestEveryKey(t *testing.T) {
	cfg, err := Parse("all.yaml", []byte(everyKey))
	if err != nil {
		t.Fatal(err)
	}
	want := App{
		Name: "all", Description: "All of it",
		Command:   []string{"/bin/prog", "two words", "A", "its"},
		Directory: "/srv", User: "u", Group: "g",
		Environment:     map[string]string{"A": "b", "PATH": "/bin"},
		EnvironmentFile: "-/etc/default/all",
		After:           []string{"a.service"}, Wants: []string{"b.service"}, Requires: []string{"c.target"},
		Instances: 2, Workers: Workers{Min: 0, Max: 8, Spare: 2, PerCPU: 2}, Activation: Fleet,
		Listen: Listen{Host: "127.0.0.1", Port: 9100},
		Hosts:  []Host{{Name: "a.example"}, {Name: "10.0.0.7"}},
		Socket: Socket{"su", "sg", 0o600, 16},
		Health: Health{
			Path: "/p?q", ScriptName: "/s", Method: "HEAD", Host: "h", Port: 8080,
			Params:   map[string]string{"SCRIPT_FILENAME": "/x"},
			Address:  Listen{Path: "/run/status%i.sock"},
			Expect:   Expect{Status: []StatusRange{{200, 299}, {304, 304}}, Body: regexp.MustCompile("^ok")},
			Interval: time.Second, Timeout: 2 * time.Second, Failures: 5, ReadyQueue: 9,
		},
		Limits: Limits{
			StartTimeout: time.Second, StopTimeout: 2 * time.Second, RequestTimeout: 3 * time.Second, IdleTimeout: 4 * time.Second,
			QueueTimeout: 5 * time.Minute, QueueWait: 3 * time.Second, DrainDelay: 7 * time.Second, MaxAge: 6 * time.Hour, MaxMemory: 512 << 20,
		},
		Restart:    Restart{time.Second, 2 * time.Second, 1.5},
		StopSignal: syscall.SIGUSR1,
		Nginx:      Nginx{"up", "ip_hash", "/l", "192.0.2.53 valid=10s", 30 * time.Second, map[string]string{"X": "$uri"}},
		Web:        Web{"/srv/www", 3},
		Systemd: Systemd{
			Socket: map[string][]string{"FreeBind": {"true"}}, Service: map[string][]string{"ReadWritePaths": {"/a", "/b"}},
			Sandbox: Off, Supervise: true,
		},
	}
	monitor := Monitor{Listen: Address{"tcp", ":9181"}, TokenFile: "/etc/fcgisup/token", Interval: time.Second}
	if diff := cmp.Diff(monitor, cfg.Monitor); diff != "" {
		t.Error(diff)
	}
	alerts := Alerts{For: 0, Repeat: time.Hour, To: []Receiver{
		{Name: "telegram", URLFile: "/etc/fcgisup/Telegram.url"},
		{Name: "mail-url", URLEnv: "MAIL_URL"},
		{Name: "page", Exec: []string{"/usr/local/bin/page", "--loud"}},
		{Name: "ops", Exec: []string{"/usr/local/bin/page"}},
	}}
	if diff := cmp.Diff(alerts, cfg.Alerts); diff != "" {
		t.Error(diff)
	}
	same := cmp.Comparer(func(a, b *regexp.Regexp) bool { return a == b || a != nil && b != nil && a.String() == b.String() })
	if diff := cmp.Diff(want, cfg.Apps[0], same); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Default("all"), cfg.Apps[0], same); strings.Count(diff, "\n") < 60 {
		t.Errorf("something is left at its default:\n%s", diff)
	}
}

func TestFourLinesAreComplete(t *testing.T) {
	cfg, err := Parse("four.yaml", []byte("apps:\n  rt:\n    command: [/usr/bin/rt]\n    user: rt\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default("rt")
	want.Command, want.User = []string{"/usr/bin/rt"}, "rt"
	if diff := cmp.Diff(want, cfg.Apps[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(DefaultMonitor(), cfg.Monitor) + cmp.Diff(DefaultAlerts(), cfg.Alerts); diff != "" {
		t.Error(diff)
	}
}

// TestExample holds the example to what it says: that a commented line shows the default.
func TestExample(t *testing.T) {
	if _, err := Parse("example.yaml", Example); err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^( *)# ([a-z_]+: )`)
	all := commented.ReplaceAll(Example, []byte("$1$2"))
	want, err := Parse("example.yaml", Example)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("example.yaml", all)
	if err != nil {
		t.Fatal(err)
	}
	want.Apps[0].EnvironmentFile = "-/etc/default/rt" // the one that is not the default
	got.Path, got.Text, want.Text = want.Path, nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a commented line is not the default:\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, append(slices.Clone(Example), make([]byte, MaxConfigSize)...), 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong Errors
	if _, err := Load(big); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("a big file: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a directory was accepted")
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	env := func(v string) func(string) string {
		return func(k string) string {
			if k == EnvConfig {
				return v
			}
			return ""
		}
	}
	find := func(explicit, v string) string {
		t.Helper()
		p, _, err := Find(explicit, env(v))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if got := find("a", "b"); got != "a" {
		t.Errorf("--config does not win: %s", got)
	}
	if got := find("", "b"); got != "b" {
		t.Errorf("the environment does not count: %s", got)
	}
	if err := os.WriteFile(LocalConfig, Example, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := find("", ""); got != LocalConfig {
		t.Errorf("./%s does not count: %s", LocalConfig, got)
	}
}

func TestSplitCommand(t *testing.T) {
	for in, want := range map[string][]string{
		`/bin/x`:                   {"/bin/x"},
		`  /bin/x   a	b `:          {"/bin/x", "a", "b"},
		`/bin/x "a b" 'c d'`:       {"/bin/x", "a b", "c d"},
		`/bin/x a"b c"d`:           {"/bin/x", "ab cd"},
		`/bin/x ""`:                {"/bin/x", ""},
		`/bin/x \x41\102\u00e4`:    {"/bin/x", "ABä"},
		`/bin/x a\sb \\ \"`:        {"/bin/x", "a b", `\`, `"`},
		`/bin/x '"' "'"`:           {"/bin/x", `"`, `'`},
		`/bin/x $HOME %i ; rm -rf`: {"/bin/x", "$HOME", "%i", ";", "rm", "-rf"},
		`/bin/x 'a`:                nil,
		`/bin/x \`:                 nil,
		`/bin/x \q`:                nil,
		`/bin/x \x4`:               nil,
		`/bin/x \x00`:              nil,
		`/bin/x \n`:                nil,
		`/bin/x \U7fffffff`:        nil,
		"":                         nil,
	} {
		got, err := SplitCommand(in)
		if (want == nil && in != "") != (err != nil) || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]uint64{"0": 0, "17": 17, "2K": 2048, "512MiB": 512 << 20, "1G": 1 << 30, "3TiB": 3 << 40} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "MiB", "1MB", "-1", "1.5G", "1 G", "99999999999T", "1GiBi"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("%q: accepted as %d", in, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]Address{
		"/run/x.sock":    {"unix", "/run/x.sock"},
		"unix:/run/x":    {"unix", "/run/x"},
		"127.0.0.1:9000": {"tcp", "127.0.0.1:9000"},
		"[::1]:9000":     {"tcp", "[::1]:9000"},
		"host:1":         {"tcp", "host:1"},
	} {
		if got, err := ParseAddress(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "x", "x.sock", "/", "/run/", "/run/../x", "h:0", "h:70000", "h:http", "a/b:1", "/" + strings.Repeat("x", 107)} {
		if got, err := ParseAddress(in); err == nil {
			t.Errorf("%q: accepted as %+v", in, got)
		}
	}
	l := Listen{Host: "127.0.0.1", Port: 9100}
	if got := l.Address(5).Addr; got != "127.0.0.1:9104" {
		t.Error(got)
	}
}

// FuzzParse: whatever the bytes, there is a config that keeps its promises or
// there are errors with a place, and never a panic.
func FuzzParse(f *testing.F) {
	f.Add(Example)
	f.Add([]byte(everyKey))
	files, _ := filepath.Glob("testdata/invalid/*.yaml")
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil && len(data) < 10_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("f", data)
		var wrong Errors
		switch {
		case err == nil && len(cfg.Apps) == 0:
			t.Fatal("a configuration without apps")
		case err != nil && (!errors.As(err, &wrong) || len(wrong) == 0):
			t.Fatalf("%T", err)
		case err != nil:
			for i, e := range wrong {
				if e.Line < 1 || e.Col < 1 || i > 0 && e.Line < wrong[i-1].Line {
					t.Fatalf("places out of order: %v", err)
				}
				if strings.ContainsAny(e.Error(), "\n\x00") {
					t.Fatalf("an error of several lines: %q", e.Error())
				}
			}
			return
		}
		if m := cfg.Monitor; !m.Listen.Local() && m.TokenFile == "" || m.Interval < time.Second {
			t.Fatalf("%+v", m)
		}
		names := map[string]bool{}
		for _, to := range cfg.Alerts.To {
			one := max(to.URLFile, to.URLEnv, strings.Join(to.Exec, " "))
			if checkName(to.Name) != "" || names[to.Name] || to.URLFile+to.URLEnv+strings.Join(to.Exec, " ") != one {
				t.Fatalf("%+v", to)
			}
			names[to.Name] = true
		}
		for _, a := range cfg.Apps {
			if len(a.Command) == 0 || a.Command[0][0] != '/' || checkName(a.Name) != "" {
				t.Fatalf("%+v", a)
			}
			for _, in := range a.Expand() {
				if _, err := ParseAddress(strings.TrimPrefix(in.Address.Addr, "*")); err != nil && a.Listen.Host != "" {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestWorkersResolve: automatic workers go by the CPUs and by the memory of the machine, never below what was asked for.
func TestWorkersResolve(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		yaml      string
		cpus      float64
		memory    uint64
		perWorker uint64
		want      [3]int // min, max, spare
	}{
		{"4", 16, 0, 0, [3]int{4, 4, 0}},
		{"auto", 2, 0, 0, [3]int{4, 4, 0}},
		{"auto", 0.3, 0, 0, [3]int{1, 1, 0}},
		{"auto", 8, 512 * mib, 100 * mib, [3]int{5, 5, 0}},
		{"auto", 8, 512 * mib, 0, [3]int{16, 16, 0}},
		{"auto", 8, 10 * mib, 100 * mib, [3]int{1, 1, 0}},
		{"auto", 64_000, 0, 0, [3]int{MaxWorkers, MaxWorkers, 0}},
		{"{min: 0, max: auto}", 1.5, 0, 0, [3]int{0, 3, 0}},
		{"{max: auto, min: 3, per_cpu: 0.5}", 2, 0, 0, [3]int{3, 3, 0}},
		{"{min: 1, max: auto, spare: 4, per_cpu: 1}", 2, 0, 0, [3]int{1, 2, 2}},
	} {
		cfg, err := Parse("test", []byte("apps: {a: {command: /bin/x, workers: "+c.yaml+"}}"))
		if err != nil {
			t.Fatal(c.yaml, err)
		}
		w := cfg.Apps[0].Workers.Resolve(c.cpus, c.memory, c.perWorker)
		if got := [3]int{w.Min, w.Max, w.Spare}; got != c.want {
			t.Errorf("%s with %v CPUs, %d bytes: %v, want %v", c.yaml, c.cpus, c.memory, got, c.want)
		}
	}
	cfg, err := Parse("test", []byte("apps: {a: {command: /bin/x, workers: {max: 2, per_cpu: 3}}}"))
	if err != nil || len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0].Error(), "workers.per_cpu: has no effect without workers: {max: auto}") {
		t.Errorf("per_cpu alone: %v, %v", cfg.Warnings, err)
	}
}
