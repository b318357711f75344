package supervisor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// exposition is what a scrape of these statuses gets.
func exposition(t *testing.T, all ...control.Status) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector{func() []control.Status { return all }}); err != nil {
		t.Fatal(err)
	}
	return scrape(registry)
}

// scrape is the text that Prometheus gets.
func scrape(g prometheus.Gatherer) string {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	promhttp.HandlerFor(g, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return w.Body.String()
}

// scraped is an instance about which everything is known, and one that has done nothing yet.
func scraped() []control.Status {
	n, head, oldest, yes, memory := 3, 0.25, 1.5, true, uint64(1<<20)
	return []control.Status{
		{App: "rt", Instance: 1, State: control.Sleeping},
		{
			App: "rt", Instance: 2, State: control.Saturated,
			Queue: &n, QueueLimit: &n, Backlog: &n, QueueHeadSeconds: &head, InFlight: &n, OldestRequestSeconds: &oldest, Orphaned: &n, Abandoned: 4,
			Workers: []control.WorkerStatus{
				{State: control.Ready, Busy: &yes, MemoryBytes: &memory},
				{State: control.Ready, Busy: &yes, MemoryBytes: &memory},
				{State: control.Backoff},
			},
			Restarts:      map[control.Cause]uint64{control.Crash: 5},
			Exits:         map[control.Cause]uint64{control.Crash: 5, control.Finished: 1},
			Probe:         &control.ProbeStatus{OK: true},
			ProbeFailures: map[fcgisup.ProbeClass]uint64{"timeout": 6},
			Rejected:      7, QueueLimited: 2, Cut: 8, ConfigError: "unknown key",
		},
	}
}

func TestMetrics(t *testing.T) {
	golden(t, "../testdata/metrics.txt", exposition(t, scraped()...))
}

func TestMetricsAreCleanOfLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(exposition(t, scraped()...))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestClosedLabelSetsAreWrittenAtZero(t *testing.T) {
	text := exposition(t, control.Status{App: "rt", Instance: 1, State: control.Sleeping})
	var want []string
	for _, s := range control.InstanceStates {
		want = append(want, `fcgisup_instance_state{app="rt",instance="1",state="`+string(s)+`"} `)
	}
	for _, s := range control.States {
		want = append(want, `fcgisup_workers{app="rt",instance="1",state="`+string(s)+`"} 0`)
	}
	for _, c := range control.Causes {
		want = append(want, `fcgisup_worker_exits_total{app="rt",cause="`+string(c)+`",instance="1"} 0`)
	}
	for _, c := range control.RestartCauses {
		want = append(want, `fcgisup_worker_restarts_total{app="rt",cause="`+string(c)+`",instance="1"} 0`)
	}
	for _, c := range fcgisup.ProbeClasses {
		want = append(want, `fcgisup_probe_failures_total{app="rt",class="`+string(c)+`",instance="1"} 0`)
	}
	for _, d := range control.Directions {
		want = append(want, `fcgisup_scale_events_total{app="rt",direction="`+string(d)+`",instance="1"} 0`)
	}
	for _, line := range want {
		if !strings.Contains(text, line) {
			t.Errorf("without %s", line)
		}
	}
	for _, unknown := range []string{"fcgisup_queue_length", "fcgisup_in_flight", "fcgisup_probe_success"} {
		if strings.Contains(text, unknown) {
			t.Errorf("%s is told although it is not known", unknown)
		}
	}
}

func TestCollectorReadsTheRealThing(t *testing.T) {
	b := run(t, "serve")
	b.ask("hello")
	b.worker(control.Ready)
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(b.sup.Collector()); err != nil {
		t.Fatal(err)
	}
	text := scrape(registry)
	for _, want := range []string{
		`fcgisup_instance_state{app="t",instance="1",state="up"} 1`,
		`fcgisup_workers{app="t",instance="1",state="ready"} 1`,
		`fcgisup_queue_capacity{app="t",instance="1"} 128`,
		`fcgisup_queue_limit{app="t",instance="1"} 128`,
		`fcgisup_queue_limited_total{app="t",instance="1"} 0`,
		`fcgisup_queue_length{app="t",instance="1"} 0`,
		`fcgisup_start_duration_seconds_count{app="t",instance="1"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("without %s:\n%s", want, text)
		}
	}
}
