package deploy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

const hostsConfig = `apps:
  web: {command: /x, instances: 2, listen: "*:9000", hosts: [app1.example, 10.0.0.7]}
  own: {command: /y}
`

func appsOf(t *testing.T, text string) []fcgisup.App {
	t.Helper()
	cfg, err := fcgisup.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Apps
}

func TestCountPeers(t *testing.T) {
	t.Parallel()
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0500000A:C001 0700000A:2328 01 00000000:00000000 00:00000000 00000000    33        0 2 1 0 20 4 30 10 -1
   2: 0500000A:C002 0700000A:2329 02 00000000:00000000 00:00000000 00000000    33        0 3 1 0 20 4 30 10 -1
   3: 0500000A:C003 0700000A:2328 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0
   4: 0500000A:C004 0800000A:2328 01 00000000:00000000 00:00000000 00000000    33        0 4 1 0 20 4 30 10 -1
   5: 00000000000000000000000001000000:C005 000000FD000000000000000007000000:2328 08 00000000:00000000 00:00000000 00000000    33        0 5 1 0
   6: 0000000000000000FFFF00000500000A:C006 0000000000000000FFFF00000700000A:2328 01 00000000:00000000 00:00000000 00000000    33        0 6 1 0
garbage
`
	var sockets []scoreboard.InetSocket
	for line := range strings.Lines(table) {
		if s, ok := scoreboard.ParseInetSocket(line); ok {
			sockets = append(sockets, s)
		}
	}
	for peer, want := range map[string]int{"10.0.0.7:9000": 2, "10.0.0.7:9001": 1, "10.0.0.8:9000": 1, "[fd00::7]:9000": 1, "10.0.0.7:9002": 0, "0.0.0.0:0": 0} {
		if got := countPeers(sockets, map[netip.AddrPort]bool{netip.MustParseAddrPort(peer): true}); got != want {
			t.Errorf("%s: %d connections, want %d", peer, got, want)
		}
	}
}

func TestHostFlags(t *testing.T) {
	t.Parallel()
	app := appOf(t, hostsConfig)
	for _, test := range []struct {
		flags HostFlags
		want  string
	}{
		{HostFlags{}, ""},
		{HostFlags{Host: "app1"}, ""},
		{HostFlags{Host: "web9"}, `--host: no app has "web9" under hosts`},
		{HostFlags{Down: []string{"10.0.0.7"}}, ""},
		{HostFlags{Down: []string{"app9"}}, `--down: no app has "app9" under hosts`},
		{HostFlags{Down: []string{"app1", "10.0.0.7"}}, "--down app1.example --down 10.0.0.7: no host of web would be left"},
	} {
		got := ""
		if err := test.flags.check(appsOf(t, hostsConfig)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v: %q, want %q", test.flags, got, test.want)
		}
	}
	h := HostFlags{Down: []string{"APP1"}}
	if err := h.check(appsOf(t, hostsConfig)); err != nil {
		t.Fatal(err)
	}
	command := h.generator("fcgisup gen web", app)
	if command != "fcgisup gen web --down app1.example" || !downIn(command)["app1.example"] {
		t.Errorf("the command is %q", command)
	}
	if servers, names := h.drained(app); len(servers) != 2 || servers[1].Addr != "app1.example:9001" || !slices.Equal(names, []string{"app1.example"}) {
		t.Errorf("drained: %v %v", servers, names)
	}
}

// TestPlanAway: of an app that runs on other hosts only nginx's files are wanted, and what runs of it here is stopped.
func TestPlanAway(t *testing.T) {
	t.Parallel()
	s := newStage(t, hostsConfig, hostsConfig)
	app := s.wanted.App
	s.wanted.App, s.wanted.away = nil, true
	s.wanted.Changes = slices.DeleteFunc(s.wanted.Changes, func(c Change) bool { return !isNginx(c) })
	p := planApp(s.wanted, s.is)
	if !slices.Equal(p.stop, []int{1, 2}) || !p.stopTarget || !p.disable || p.nginxReload || p.gone() {
		t.Errorf("what runs here: %+v", p)
	}
	s.is.sockets, s.is.services, s.is.enabled = nil, nil, false
	s.is.target.Active = ""
	if p = planApp(s.wanted, s.is); !p.empty() {
		t.Errorf("nothing has changed: %+v", p)
	}
	s.wanted.idle, s.wanted.down = (&HostFlags{Down: []string{"10.0.0.7"}}).drained(*app)
	if p = planApp(s.wanted, s.is); p.empty() || len(drainLines(p)) != 1 {
		t.Errorf("a host is down: %+v", p)
	}
	s.wanted.idle = nil
	s.wanted.marks.Nginx += "x"
	if p = planApp(s.wanted, s.is); !p.nginxReload {
		t.Error("nginx's files have changed, and nginx is not reloaded")
	}
}
