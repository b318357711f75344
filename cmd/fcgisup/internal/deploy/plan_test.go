package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/nginx"
	"github.com/fcgisup/fcgisup/units"
)

// noon is when the app of these tests was applied.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// appOf is the app "web" of applyConfig.
func appOf(t *testing.T, text string) fcgisup.App {
	t.Helper()
	cfg, err := fcgisup.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Apps[0]
}

// filesOf are what gen renders, by place.
func filesOf(t *testing.T, app fcgisup.App) map[string]fcgisup.File {
	t.Helper()
	made := "fcgisup gen " + app.Name
	files, err := units.Render(app, units.Options{Generator: made})
	if err != nil {
		t.Fatal(err)
	}
	byPlace := map[string]fcgisup.File{}
	for _, f := range append(files, nginx.Render(app, nginx.Options{Generator: made})...) {
		byPlace[Installed(f.Path)] = f
	}
	return byPlace
}

func listOf(files map[string]fcgisup.File) []fcgisup.File {
	var all []fcgisup.File
	for _, f := range files {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b fcgisup.File) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// stage is an app that was applied and what it should become.
type stage struct {
	wanted wanted
	is     present
}

// newStage has "before" applied and running, all instances awake, and wants "after"; empty is gone.
func newStage(t *testing.T, before, after string) *stage {
	t.Helper()
	s := &stage{}
	old := map[string]fcgisup.File{}
	if before != "" {
		app := appOf(t, before)
		old = filesOf(t, app)
		s.is.enabled = true
		s.is.target = units.State{Name: units.Names(app.Name).Target(), Active: "active"}
		s.is.sockets, s.is.services, s.is.started = map[int]units.State{}, map[int]units.State{}, map[int]time.Time{}
		for i := range app.Expand() {
			n := i + 1
			s.is.sockets[n] = units.State{Name: socket(app.Name, n), Active: "active"}
			s.is.services[n] = units.State{Name: service(app.Name, n), Active: "active"}
			s.is.started[n] = noon.Add(-time.Hour)
		}
		m, err := marksOf(app, listOf(old))
		if err != nil {
			t.Fatal(err)
		}
		s.is.record = &record{App: app.Name, At: noon, Marks: m, Files: map[string][]string{}}
		for place, f := range old {
			s.is.record.Files[place] = []string{sum(f.Data)}
		}
	}
	s.want(t, after, old)
	return s
}

func (s *stage) want(t *testing.T, after string, old map[string]fcgisup.File) {
	t.Helper()
	s.wanted = wanted{Name: "web", saved: noon.Add(-2 * time.Hour)}
	fresh := map[string]fcgisup.File{}
	if after != "" {
		app := appOf(t, after)
		fresh = filesOf(t, app)
		m, err := marksOf(app, listOf(fresh))
		if err != nil {
			t.Fatal(err)
		}
		s.wanted.App, s.wanted.marks = &app, m
	}
	for place, f := range fresh {
		c := Change{Place: place, Name: f.Path, Verb: "created", New: f.Data, mode: f.Mode}
		if o, ok := old[place]; ok {
			c.Old, c.Verb = o.Data, "changed"
			if string(o.Data) == string(f.Data) {
				c.Verb = "unchanged"
			}
		}
		s.wanted.Changes = append(s.wanted.Changes, c)
	}
	for place, o := range old {
		if _, stays := fresh[place]; !stays {
			s.wanted.Changes = append(s.wanted.Changes, Change{Place: place, Name: o.Path, Verb: "removed", Old: o.Data})
		}
	}
	s.wanted.Changes = inFileOrder(s.wanted.Changes)
}

// said are the lines that the plan prints, on a host where nginx runs.
func (s *stage) said() string {
	t := &transaction{Applier: &Applier{web: webServer{binary: "/nginx", masters: []int{1}}}, plans: []Plan{planApp(s.wanted, s.is)}}
	var b strings.Builder
	for _, step := range t.steps() {
		for _, l := range step.lines {
			fmt.Fprintf(&b, "%s %s\n", l.verb, strings.TrimPrefix(l.object, "/etc/systemd/system/"))
		}
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	tcp := func(n int) string {
		return strings.Replace(applyConfig(n), "/run/web%i.sock", "127.0.0.1:9300", 1)
	}
	plain := "systemd: {supervise: false}"
	tests := []struct {
		name, before, after string
		stage               func(s *stage)
		want                string
	}{
		{"first", "", applyConfig(2), nil, `created /etc/nginx/conf.d/web-upstream.conf
created /etc/nginx/snippets/web-location.conf
created web-fastcgi.target
created web-fastcgi@.service
created web-fastcgi@.socket
enabled web-fastcgi.target
reloaded systemd
started web-fastcgi@{1..2}.socket
started web-fastcgi.target
reloaded nginx
`},
		{"nothing", applyConfig(2), applyConfig(2), nil, ""},
		{"up", applyConfig(2), applyConfig(5), nil, `changed /etc/nginx/conf.d/web-upstream.conf
changed web-fastcgi.target
reloaded systemd
scaled web: 2 -> 5 instances
started web-fastcgi@{3..5}.socket
reloaded nginx
`},
		{"down", applyConfig(5), applyConfig(1), nil, `changed /etc/nginx/conf.d/web-upstream.conf
changed web-fastcgi.target
reloaded systemd
reloaded nginx
scaled web: 5 -> 1 instance
stopped web-fastcgi@{2..5}.socket
`},
		{"down, with drop-ins", tcp(3), tcp(2), nil, `changed /etc/nginx/conf.d/web-upstream.conf
changed web-fastcgi.target
reloaded systemd
reloaded nginx
scaled web: 3 -> 2 instances
stopped web-fastcgi@3.socket
removed web-fastcgi@3.socket.d/listen.conf
`},
		{"moved: drop-ins of those that stay go first", tcp(2), applyConfig(1), nil, `changed /etc/nginx/conf.d/web-upstream.conf
changed /etc/nginx/snippets/web-location.conf
changed web-fastcgi.target
changed web-fastcgi@.socket
removed web-fastcgi@1.socket.d/listen.conf
reloaded systemd
restarted web-fastcgi@1.socket
reloaded nginx
scaled web: 2 -> 1 instance
stopped web-fastcgi@2.socket
removed web-fastcgi@2.socket.d/listen.conf
`},
		{"a changed app", applyConfig(2), applyConfig(2, "environment: {A: b}"), nil, "reloaded web@{1..2}\n"},
		{"a changed app, asleep", applyConfig(2), applyConfig(2, "environment: {A: b}"), func(s *stage) { s.is.services = nil }, ""},
		{"a changed service", applyConfig(2), applyConfig(2, "systemd: {service: {TasksMax: 9}}"), nil, `changed web-fastcgi@.service
reloaded systemd
restarted web-fastcgi@{1..2}.service
`},
		{"a changed service, half asleep", applyConfig(2), applyConfig(2, "systemd: {service: {TasksMax: 9}}"), func(s *stage) { s.is.services[1] = units.State{Active: "inactive"} }, `changed web-fastcgi@.service
reloaded systemd
restarted web-fastcgi@2.service
`},
		{"a changed service without supervisor rests first", applyConfig(2, plain), applyConfig(2, plain, "environment: {A: b}"), nil, `changed web-fastcgi@.service
reloaded systemd
restarted web-fastcgi@{1..2}.service
reloaded nginx
`},
		{"comments and dependencies restart nothing", applyConfig(2), applyConfig(2, "description: Web", "after: [x.service]"), nil, `changed web-fastcgi.target
changed web-fastcgi@.service
changed web-fastcgi@.socket
reloaded systemd
`},
		{"a changed socket", applyConfig(2), applyConfig(2, "socket: {backlog: 9}"), nil, `changed web-fastcgi@.socket
reloaded systemd
restarted web-fastcgi@{1..2}.socket
reloaded nginx
`},
		{"eager", applyConfig(2), applyConfig(2, "activation: eager"), func(s *stage) { s.is.services[2] = units.State{Active: "inactive"} }, `changed /etc/nginx/snippets/web-location.conf
changed web-fastcgi.target
reloaded systemd
started web-fastcgi@2.service
probed web@{1..2}
reloaded nginx
`},
		{"eager that may sleep", applyConfig(2, "activation: eager"), applyConfig(2, "activation: eager"), func(s *stage) {
			s.is.services = nil
			s.wanted.App.Limits.IdleTimeout = time.Minute
		}, ""},
		{"stopped and failed by hand", applyConfig(3), applyConfig(3), func(s *stage) {
			s.is.sockets[1] = units.State{Active: "failed"}
			delete(s.is.sockets, 3)
			s.is.target.Active = "inactive"
		}, "scaled web: 1 -> 3 instances\nstarted web-fastcgi@{1,3}.socket\nstarted web-fastcgi.target\n"},
		{"disabled by hand", applyConfig(1), applyConfig(1), func(s *stage) { s.is.enabled = false }, "enabled web-fastcgi.target\nreloaded systemd\n"},
		{"gone", applyConfig(2), "", nil, `removed /etc/nginx/conf.d/web-upstream.conf
removed /etc/nginx/snippets/web-location.conf
reloaded nginx
stopped web-fastcgi@{1..2}.socket
stopped web-fastcgi.target
disabled web-fastcgi.target
removed web-fastcgi.target
removed web-fastcgi@.service
removed web-fastcgi@.socket
`},
		{"interrupted before the restart", applyConfig(2), applyConfig(2), func(s *stage) {
			s.is.record.Pending, s.is.record.Marks.Service = true, "old"
		}, "reloaded systemd\nrestarted web-fastcgi@{1..2}.service\n"},
		{"interrupted before nginx", applyConfig(2), applyConfig(2), func(s *stage) { s.is.record.Marks.Nginx = "old" }, "reloaded nginx\n"},
		{"unknown to apply, but right", applyConfig(2), applyConfig(2), func(s *stage) { s.is.record = nil }, ""},
		{"a supervisor begun between two versions", applyConfig(2), applyConfig(2), func(s *stage) {
			s.is.started[2], s.wanted.saved = noon.Add(time.Hour), noon.Add(2*time.Hour)
		}, "reloaded web@2\n"},
		{"one that says that it has read the same", applyConfig(2), applyConfig(2), func(s *stage) {
			s.is.started[2], s.wanted.saved = noon.Add(time.Hour), noon.Add(2*time.Hour)
			s.is.reads = map[int]string{2: s.wanted.marks.Config}
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, test.before, test.after)
			if test.stage != nil {
				test.stage(s)
			}
			if diff := cmp.Diff(test.want, s.said()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if p := planApp(s.wanted, s.is); p.empty() != (test.want == "") {
				t.Errorf("empty is %v", p.empty())
			}
		})
	}
}

// TestPlanEdited: what apply did not leave so is an administrator's work.
func TestPlanEdited(t *testing.T) {
	s := newStage(t, applyConfig(2), applyConfig(3))
	p := planApp(s.wanted, s.is)
	if edited := p.edited(); edited != nil {
		t.Errorf("nothing was edited, yet %q", edited)
	}
	at := slices.IndexFunc(s.wanted.Changes, func(c Change) bool { return c.Name == "systemd/web-fastcgi.target" })
	place := s.wanted.Changes[at].Place
	s.wanted.Changes[at].Old = append(slices.Clone(s.wanted.Changes[at].Old), "# mine\n"...)
	for _, test := range []struct {
		change func()
		want   string
	}{
		{func() {}, place + " was edited since fcgisup apply wrote it"},
		{func() { delete(s.is.record.Files, place) }, place + " was not written by fcgisup apply"},
		{func() { s.wanted.Changes[at].Old = []byte("[Unit]\n") }, place + " is not of fcgisup"},
		{func() { s.is.record.Files[place] = []string{sum([]byte("[Unit]\n"))} }, ""},
	} {
		test.change()
		p := planApp(s.wanted, s.is)
		if got := strings.Join(p.edited(), "; "); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// TestRecordAhead: an apply that is cut off at any point neither calls its own files edited nor forgets what to restart.
func TestRecordAhead(t *testing.T) {
	s := newStage(t, applyConfig(2), applyConfig(3, "systemd: {service: {TasksMax: 9}}"))
	p := planApp(s.wanted, s.is)
	ahead := p.pendingRecord()
	for _, c := range p.Changes {
		if !ahead.wroteThis(c.Place, c.New) || c.Old != nil && !ahead.wroteThis(c.Place, c.Old) {
			t.Errorf("%s: a version is not known", c.Place)
		}
	}
	// All is written, and nothing more has happened.
	for i := range s.wanted.Changes {
		c := &s.wanted.Changes[i]
		c.Old, c.Verb = c.New, "unchanged"
	}
	s.is.record = ahead
	want := "reloaded systemd\nscaled web: 2 -> 3 instances\nstarted web-fastcgi@3.socket\nrestarted web-fastcgi@{1..2}.service\nreloaded nginx\n"
	if diff := cmp.Diff(want, s.said()); diff != "" {
		t.Errorf("the plan after (-want +got):\n%s", diff)
	}
	s.is.record = p.next(false)
	s.is.sockets[3] = s.is.sockets[1]
	if got := s.said(); got != "" {
		t.Errorf("after all is done:\n%s", got)
	}
}

func TestSortUnits(t *testing.T) {
	var p present
	p.sortUnits("rt", []units.State{
		{Name: "rt-fastcgi@1.socket"},
		{Name: "rt-fastcgi@12.service"},
		{Name: "rt-fastcgi.target", Active: "active"},
		{Name: "rt-fastcgi-fastcgi@2.socket"},
		{Name: "rt-fastcgi@x.socket"},
		{Name: "rt-fastcgi@01.socket"},
		{Name: "rt-fastcgi-fleet.target"},
		{Name: "rt-fastcgi@99999999999999999999.socket"},
	})
	if len(p.sockets) != 1 || len(p.services) != 1 || p.sockets[1].Name == "" || p.services[12].Name == "" || p.target.Active != "active" {
		t.Errorf("sorted into %+v", p)
	}
}

func TestByNumber(t *testing.T) {
	for want, numbers := range map[string][]int{
		"rt-fastcgi@3.socket": {3}, "rt-fastcgi@{1..3}.socket": {3, 1, 2}, "rt-fastcgi@{1,3}.socket": {1, 3}, "rt-fastcgi@{1..2,5,9..10}.socket": {1, 2, 5, 9, 10},
	} {
		if got := byNumber("rt", "socket", numbers); got != want {
			t.Errorf("%v: %s, want %s", numbers, got, want)
		}
	}
}

// TestCollisions: a renamed app would take its own address and lose it when its old name goes.
func TestCollisions(t *testing.T) {
	app := appOf(t, applyConfig(2))
	gone := Plan{wanted: wanted{Name: "old"}, stop: []int{1, 2}, listening: map[int][]fcgisup.Address{2: {app.Instance(2).Address}}}
	tx := &transaction{Applier: &Applier{What: "apply"}, plans: []Plan{{wanted: wanted{Name: "web", App: &app}}, gone}}
	want := "cannot apply: web@2 should listen on /run/web2.sock, where old listens until it is stopped"
	if err := tx.collisions(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	tx.plans[1].Name = "web" // one that shrinks and moves
	if err := tx.collisions(); err != nil {
		t.Error(err)
	}
}
