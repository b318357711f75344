package page

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// sampleAt is when the sample report was made.
var sampleAt = time.Date(2026, 3, 9, 14, 2, 11, 0, time.UTC)

// ago is a time before the sample.
func ago(d time.Duration) time.Time { return sampleAt.Add(-d) }

func ptr[T any](v T) *T { return &v }

// hostile is what a program may print, and what must stay text.
const hostile = `<img src=x onerror="document.title='taken'"></pre><script>document.title='taken'</script> & "quoted" 'also'`

// sample is a host with one of everything.
func sample() *monitor.Report {
	return &monitor.Report{
		Host: "web1.example.org", Version: "1.4.0", At: sampleAt,
		Apps: []monitor.App{tickets(), images(), wiki(), legacy()},
	}
}

// spans is a history from healths and how long ago each began.
func spans(begin ...any) []monitor.Span {
	var all []monitor.Span
	for i := 0; i < len(begin); i += 2 {
		s := monitor.Span{From: ago(begin[i+1].(time.Duration)), Until: sampleAt, Health: begin[i].(monitor.Health)}
		if i > 0 {
			all[len(all)-1].Until = s.From
		}
		all = append(all, s)
	}
	return all
}

const day = 24 * time.Hour

func ready(pid int, busy bool, since time.Duration, requests, mib uint64) control.WorkerStatus {
	return control.WorkerStatus{
		PID: pid, State: control.Ready, Since: ago(since), Busy: &busy, RequestsSeen: &requests,
		MemoryBytes: ptr(mib << 20), MemoryKind: "pss", Generation: 3,
	}
}

func passed(ms int, since time.Duration) *control.ProbeStatus {
	return &control.ProbeStatus{At: ago(since), OK: true, Status: 200, DurationSeconds: float64(ms) / 1000}
}

func tickets() monitor.App {
	a := monitor.App{Name: "rt", Description: "Request Tracker", Supervised: true}
	for n := 1; n <= 4; n++ {
		in := monitor.Instance{
			App: "rt", Number: n, Address: "/run/rt" + string(rune('0'+n)) + ".sock", Health: monitor.Up,
			Since: ago(3*day + 4*time.Hour), Checked: ago(2 * time.Second), SocketUnit: "active/running", ServiceUnit: "active/running",
			History: spans(monitor.Up, 2*day),
			Status: &control.Status{
				App: "rt", Instance: n, State: control.Up, Since: ago(3 * day), Queue: ptr(0), Backlog: ptr(4096), InFlight: ptr(n % 2),
				OldestRequestSeconds: ptr(float64(n%2) * 0.4), Workers: []control.WorkerStatus{ready(41200+n, n%2 == 1, 12*time.Minute, uint64(1800*n), uint64(170+7*n))},
				Exits: map[control.Cause]uint64{}, Probe: passed(11+n, 6*time.Second),
			},
		}
		a.Instances = append(a.Instances, in)
	}
	second := &a.Instances[1]
	second.History = spans(monitor.Up, 2*day, monitor.Down, 11*time.Hour, monitor.Up, 11*time.Hour-7*time.Minute, monitor.Down, 5*time.Hour, monitor.Up, 5*time.Hour-95*time.Second)
	second.Status.Exits = map[control.Cause]uint64{control.Crash: 2, control.Age: 4}
	second.Status.LastFailure = &control.Failure{
		At: ago(5 * time.Hour), Cause: control.Crash, PID: 40977, Detail: "signal: segmentation fault",
		Output: []string{"[40977] [error]: DBD::Pg::st execute failed: server closed the connection unexpectedly"},
	}
	third := &a.Instances[2]
	third.Status.State, third.Status.Since = control.Saturated, ago(42*time.Second)
	third.Status.Queue, third.Status.InFlight, third.Status.OldestRequestSeconds = ptr(7), ptr(1), ptr(48.3)
	third.Status.QueueHeadSeconds = ptr(41.0)
	third.Status.Workers[0].Busy, third.Status.Workers[0].Since = ptr(true), ago(48*time.Second)
	third.Status.Probe = &control.ProbeStatus{At: ago(9 * time.Second), Skipped: "no worker is idle"}
	fifth := monitor.Instance{
		App: "rt", Number: 5, Address: "/run/rt5.sock", Health: monitor.Asleep, Since: ago(9 * time.Hour), Checked: ago(2 * time.Second),
		SocketUnit: "active/listening", ServiceUnit: "inactive/dead", History: spans(monitor.Up, 2*day, monitor.Asleep, 9*time.Hour),
	}
	a.Instances = append(a.Instances, fifth)
	return a
}

func images() monitor.App {
	failing := monitor.Instance{
		App: "images", Number: 1, Address: "127.0.0.1:9100", Health: monitor.Down, Since: ago(4*time.Minute + 10*time.Second), Checked: ago(time.Second),
		Why: "no worker becomes ready: 6 attempts have failed, requests are answered 503", SocketUnit: "active/running", ServiceUnit: "active/running",
		History: spans(monitor.Up, 2*day, monitor.Down, 14*time.Hour, monitor.Unknown, 14*time.Hour-25*time.Minute, monitor.Up, 13*time.Hour, monitor.Down, 250*time.Second),
		Status: &control.Status{
			App: "images", Instance: 1, State: control.InstanceFailing, Since: ago(3*time.Minute + 50*time.Second), Queue: ptr(2), Backlog: ptr(511),
			InFlight: ptr(0), OldestRequestSeconds: ptr(0.0), Rejected: 183, Abandoned: 12,
			Workers: []control.WorkerStatus{
				{State: control.Failing, Since: ago(14 * time.Second), Generation: 7, Attempt: 6, Next: ptr(sampleAt.Add(9 * time.Second))},
				{PID: 52310, State: control.Starting, Since: ago(2 * time.Second), Generation: 7, Attempt: 5},
			},
			Exits: map[control.Cause]uint64{control.Crash: 11, control.StartTimeout: 1},
			LastFailure: &control.Failure{
				At: ago(14 * time.Second), Cause: control.Crash, PID: 52298, Detail: "exit status 3",
				Output: []string{
					"imaged 2.1 starting, 8 threads",
					"cache: /var/cache/imaged/index.db: opening",
					"FATAL cache: file is not a database (26): the header of page 1 reads 0x0000000000000000, 0x53514c69 was expected; remove the file and it is made anew",
					hostile,
				},
				Evidence: []string{"state S, wchan do_sys_poll", "syscall 7 0x7ffd3a2c 0x2 0xffffffff"},
			},
			Probe: &control.ProbeStatus{At: ago(16 * time.Second), Class: "timeout", Error: "no answer within 5s", Failures: 4, DurationSeconds: 5},
		},
	}
	second := monitor.Instance{
		App: "images", Number: 2, Address: "127.0.0.1:9101", Health: monitor.Up, Since: ago(6 * day), Checked: ago(time.Second), History: spans(monitor.Up, 2*day),
		SocketUnit: "active/running", ServiceUnit: "active/running",
		Status: &control.Status{
			App: "images", Instance: 2, State: control.Up, Since: ago(6 * day), Queue: ptr(0), Backlog: ptr(511), InFlight: ptr(2), OldestRequestSeconds: ptr(1.2),
			Workers: []control.WorkerStatus{ready(51007, true, time.Second, 90412, 312), ready(51008, true, 0, 88120, 298), ready(51009, false, 3*time.Second, 71, 96)},
			Exits:   map[control.Cause]uint64{control.Finished: 38}, Probe: passed(2, 3*time.Second),
		},
	}
	return monitor.App{Name: "images", Description: "thumbnails", Supervised: true, Instances: []monitor.Instance{failing, second}}
}

func wiki() monitor.App {
	return monitor.App{Name: "wiki", Supervised: true, Instances: []monitor.Instance{
		{
			App: "wiki", Number: 1, Address: "/run/wiki1.sock", Health: monitor.Asleep, Since: ago(2 * day), Checked: ago(2 * time.Second),
			SocketUnit: "active/listening", ServiceUnit: "inactive/dead", History: spans(monitor.Asleep, 2*day),
		},
		{
			App: "wiki", Number: 2, Address: "/run/wiki2.sock", Health: monitor.Stopped, Since: ago(50 * time.Minute), Checked: ago(2 * time.Second), Intended: true,
			SocketUnit: "inactive/dead", ServiceUnit: "inactive/dead", History: spans(monitor.Asleep, 2*day, monitor.Stopped, 50*time.Minute),
		},
	}}
}

func legacy() monitor.App {
	return monitor.App{Name: "legacy", Description: "fcgiwrap", Instances: []monitor.Instance{
		{
			App: "legacy", Number: 1, Address: "/run/fcgiwrap1.sock", Health: monitor.Up, Since: ago(20 * time.Hour), Checked: ago(4 * time.Second), Restarts: 1,
			SocketUnit: "active/running", ServiceUnit: "active/running", Probe: passed(4, 4*time.Second),
			History: spans(monitor.Up, 2*day, monitor.Down, 20*time.Hour+6*time.Minute, monitor.Up, 20*time.Hour),
		},
		{
			App: "legacy", Number: 2, Address: "/run/fcgiwrap2.sock", Health: monitor.Unknown, Since: ago(3 * time.Minute), Checked: ago(4 * time.Second),
			Why: "cannot ask systemd: connection reset by peer", History: spans(monitor.Up, 6*time.Hour, monitor.Unknown, 3*time.Minute),
		},
	}}
}

// fleet is a host of n well instances in apps of 250, every hundredth down.
func fleet(n int) *monitor.Report {
	r := &monitor.Report{Host: "big.example.org", Version: "1.4.0", At: sampleAt}
	for i := range n {
		if i%250 == 0 {
			r.Apps = append(r.Apps, monitor.App{Name: "app" + string(rune('a'+len(r.Apps))), Supervised: true})
		}
		a := &r.Apps[len(r.Apps)-1]
		in := tickets().Instances[1]
		in.App, in.Number = a.Name, i%250+1
		if i%100 == 99 {
			in = images().Instances[0]
			in.App, in.Number = a.Name, i%250+1
		}
		a.Instances = append(a.Instances, in)
	}
	return r
}
