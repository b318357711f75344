package supervisor

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/internal/openapi"
	"github.com/fcgisup/fcgisup/supervisor/listen"
)

// control serves the control interface on its socket; call asks it.
func (b *bed) control() (call func(method, path string) (int, string)) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), control.ControlName)
	l, err := listen.Control(path)
	if err != nil {
		b.t.Fatal(err)
	}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	server := &http.Server{Handler: control.Handler(b.sup, metrics, func() (control.ConfigRead, bool) { return control.ConfigRead{}, false }), ReadHeaderTimeout: waitLimit}
	go func() { _ = server.Serve(l) }()
	b.t.Cleanup(func() { _ = server.Close() })
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	return func(method, path string) (int, string) {
		b.t.Helper()
		r, err := http.NewRequestWithContext(b.t.Context(), method, "http://control"+path, nil)
		if err != nil {
			b.t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			b.t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			b.t.Fatal(err)
		}
		return resp.StatusCode, strings.TrimSpace(string(body))
	}
}

// shape lists the names of a JSON value, and those of what is inside it.
func shape(v any) []string {
	var names []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			names = append(names, k)
			for _, inner := range shape(v[k]) {
				names = append(names, k+"."+inner)
			}
		}
	case []any:
		if len(v) > 0 {
			return shape(v[0])
		}
	}
	return names
}

func TestStatusHasTheContractsNames(t *testing.T) {
	b := run(t, "serve")
	call := b.control()
	first := b.ask("hello").pid
	b.worker(control.Ready)
	kill9(t, first)
	eventually(t, "the crash is noted", func() bool { return b.status().LastFailure != nil })
	b.worker(control.Ready)
	code, body := call("GET", "/status")
	var all []map[string]any
	if err := json.Unmarshal([]byte(body), &all); err != nil || code != http.StatusOK || len(all) != 1 {
		t.Fatalf("%d, %v: %s", code, err, body)
	}
	described, err := openapi.Load("../docs/control-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range described.Validate("GET /status", code, []byte(body)) {
		t.Errorf("not as in docs/control-api.yaml: %v", err)
	}
	st := all[0]
	got := shape(st)
	want := []string{
		"app", "instance", "address", "state", "since", "queue", "queue_limit", "backlog", "in_flight", "oldest_request_seconds",
		"workers", "workers.pid", "workers.state", "workers.busy", "workers.since", "workers.requests_seen",
		"workers.memory_bytes", "workers.generation", "restarts", "exits", "rejected", "last_failure", "last_failure.at",
		"last_failure.cause", "last_failure.pid", "last_failure.detail",
	}
	for _, c := range control.Causes {
		want = append(want, "exits."+string(c))
	}
	for _, c := range control.RestartCauses {
		want = append(want, "restarts."+string(c))
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("the status lacks %s: %s", name, body)
		}
	}
	if st["app"] != "t" || st["instance"] != 1.0 || st["address"] != b.address().Addr || st["state"] != "up" ||
		st["backlog"] != 128.0 || st["queue_limit"] != 128.0 || st["restarts"].(map[string]any)["crash"] != 1.0 {
		t.Errorf("status %s", body)
	}
}

// All names there are, so that none is lost or changed by chance.
func TestStatusNames(t *testing.T) {
	n, f, u, yes, now := 1, 1.5, uint64(2), true, time.Unix(0, 0).UTC()
	full := control.Status{
		Queue: &n, QueueLimit: &n, Backlog: &n, QueueHeadSeconds: &f, InFlight: &n, OldestRequestSeconds: &f, Orphaned: &n,
		Workers: []control.WorkerStatus{{
			Busy: &yes, RequestsSeen: &u, MemoryBytes: &u, MemoryKind: "pss", Attempt: 1, Next: &now,
		}},
		LastFailure: &control.Failure{PID: 1, Output: []string{"x"}, Evidence: []string{"x"}},
		Probe:       &control.ProbeStatus{Skipped: "x", Class: "x", Error: "x", Status: 1},
		Rolling:     true, ConfigError: "x", Missing: []string{"x"},
	}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(`abandoned address app backlog config_error cut exits in_flight instance kept
		last_failure last_failure.at last_failure.cause last_failure.detail last_failure.evidence last_failure.output last_failure.pid
		missing oldest_request_seconds orphaned
		probe probe.at probe.class probe.duration_seconds probe.error probe.failures probe.ok probe.skipped probe.status
		probe_failures queue queue_head_seconds queue_limit queue_limited rejected restarts rolling scaled since state
		workers workers.attempt workers.busy workers.generation workers.memory_bytes workers.memory_kind workers.next
		workers.pid workers.requests_seen workers.since workers.state`)
	if diff := cmp.Diff(want, shape(v)); diff != "" {
		t.Errorf("names of the status (-want +got):\n%s", diff)
	}
}

func TestControlRestartsAndReloads(t *testing.T) {
	b := run(t, "serve", atOnce)
	call := b.control()
	old := b.worker(control.Ready).PID
	if code, body := call("POST", "/restart?instance=1"); code != http.StatusOK || body != "{}" {
		t.Errorf("restart: %d %s", code, body)
	}
	fresh := b.ask("hello").pid
	if fresh == old {
		t.Error("the old worker answers")
	}
	if code, body := call("POST", "/restart"); code != http.StatusOK || b.ask("hello").pid == fresh {
		t.Errorf("restart of all: %d %s", code, body)
	}

	code, body := call("POST", "/reload")
	if code != http.StatusConflict || !strings.Contains(body, "the previous configuration stays: fcgisup.yaml:3:5: unknown key") {
		t.Errorf("a bad reload: %d %s", code, body)
	}
	eventually(t, "the status tells why", func() bool {
		st := b.status()
		return strings.Contains(st.ConfigError, "unknown key") && st.State == control.Up
	})

	same := b.ask("hello").pid
	app := b.app
	app.Limits.StopTimeout = time.Minute
	b.next.Store(&app)
	if code, body := call("POST", "/reload"); code != http.StatusOK || b.ask("hello").pid != same {
		t.Errorf("a reload that changes no worker: %d %s", code, body)
	}
	app.Environment = maps.Clone(app.Environment)
	app.Environment["COLOUR"] = "green"
	b.next.Store(&app)
	if code, body := call("POST", "/reload"); code != http.StatusOK || !strings.Contains(b.ask("env").text, "COLOUR=green") {
		t.Errorf("a reload that does: %d %s", code, body)
	}
	eventually(t, "the status tells no more", func() bool {
		st := b.status()
		return st.ConfigError == "" && st.Exits[control.Reload] == 1
	})
}

// TestStatusOfMany: what is told of many instances at once is what each one's own
// status tells, awake or asleep; asking wakes none.
func TestStatusOfMany(t *testing.T) {
	const awake = 3
	b := run(t, "serve", func(a *fcgisup.App) { a.Instances = 2 * fewListeners })
	call := b.control()
	first := b.sup.instances[awake-1].in.Address.Addr
	conn, err := net.Dial("unix", first)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(path string) (all []control.Status) {
		t.Helper()
		code, body := call("GET", path)
		if err := json.Unmarshal([]byte(body), &all); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d, %v: %s", path, code, err, body)
		}
		return all
	}
	eventually(t, "its request is in flight", func() bool {
		st := ask("/status")[awake-1]
		return st.State == control.Up && *st.InFlight == 1 && *st.Queue == 0
	})
	all := ask("/status")
	if len(all) != 2*fewListeners {
		t.Fatalf("%d instances", len(all))
	}
	for n, st := range all {
		if st.Instance != n+1 || st.Queue == nil || st.Backlog == nil || st.InFlight == nil || len(st.Missing) > 0 || (st.State == control.Sleeping) != (n+1 != awake) {
			t.Errorf("%+v", st)
		}
		alone := ask("/status?instance=" + strconv.Itoa(n+1))
		if len(alone) != 1 {
			t.Fatalf("instance %d alone is %+v", n+1, alone)
		}
		alone[0].QueueHeadSeconds, alone[0].OldestRequestSeconds = st.QueueHeadSeconds, st.OldestRequestSeconds
		for w := range alone[0].Workers {
			alone[0].Workers[w].MemoryBytes = st.Workers[w].MemoryBytes
		}
		if diff := cmp.Diff(st, alone[0], cmp.AllowUnexported(control.Histogram{}), cmpopts.IgnoreUnexported(control.Status{})); diff != "" {
			t.Errorf("among all, and alone: %s", diff)
		}
	}
	if n := b.spawns(); n != 1 {
		t.Errorf("%d workers", n)
	}
}

func TestControlRefuses(t *testing.T) {
	b := run(t, "serve")
	call := b.control()
	for _, test := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"POST", "/restart?instance=x", http.StatusBadRequest, `{"error":"instance must be a number from 1"}`},
		{"POST", "/restart?instance=0", http.StatusBadRequest, `{"error":"instance must be a number from 1"}`},
		{"POST", "/restart?instance=-1", http.StatusBadRequest, `{"error":"instance must be a number from 1"}`},
		{"POST", "/restart?instance=99999999999999999999", http.StatusBadRequest, `{"error":"instance must be a number from 1"}`},
		{"POST", "/restart?instance=2", http.StatusConflict, `{"error":"no instance 2 of app t is run here"}`},
		{"GET", "/restart", http.StatusMethodNotAllowed, `{"error":"/restart takes POST"}`},
		{"GET", "/status?instance=x", http.StatusBadRequest, `{"error":"instance must be a number from 1"}`},
		{"GET", "/status?instance=2", http.StatusOK, "[]"},
		{"POST", "/status", http.StatusMethodNotAllowed, `{"error":"/status takes GET"}`},
		{"GET", "/", http.StatusNotFound, `{"error":"there are GET /status, GET /metrics, GET /config, POST /restart, POST /scale, POST /reload"}`},
		{"GET", "/metrics", http.StatusOK, "metrics"},
	} {
		if code, body := call(test.method, test.path); code != test.code || body != test.body {
			t.Errorf("%s %s: %d %q", test.method, test.path, code, body)
		}
	}
	if b.spawns() != 0 {
		t.Error("talk woke the instance")
	}
}

func TestReplacementThatFailsIsAConflictAndChangesNothing(t *testing.T) {
	b := run(t, "serve", atOnce)
	call := b.control()
	old := b.worker(control.Ready).PID
	app := b.app
	app.Command = []string{"/bin/false"}
	b.next.Store(&app)
	code, body := call("POST", "/reload")
	if code != http.StatusConflict || !strings.Contains(body, "t@1: the replacement did not come up: exit status 1") {
		t.Errorf("%d %s", code, body)
	}
	if got := b.ask("hello").pid; got != old {
		t.Errorf("answered by %d, not by %d", got, old)
	}
}

func TestControlScales(t *testing.T) {
	b := run(t, "serve", atOnce)
	call := b.control()
	b.worker(control.Ready)
	if code, body := call("POST", "/scale?instance=1&workers=3"); code != http.StatusOK || body != "{}" {
		t.Errorf("scale up: %d %s", code, body)
	}
	ready := func(n int) func() bool {
		return func() bool {
			st := b.status()
			return len(st.Workers) == n && !slices.ContainsFunc(st.Workers, func(w control.WorkerStatus) bool { return w.State != control.Ready })
		}
	}
	eventually(t, "three workers", ready(3))
	if code, _ := call("POST", "/scale?workers=1"); code != http.StatusOK {
		t.Errorf("scale down: %d", code)
	}
	eventually(t, "one worker", ready(1))
	for _, bad := range []string{"/scale", "/scale?workers=0", "/scale?workers=x", "/scale?workers=2&instance=0"} {
		if code, _ := call("POST", bad); code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, code)
		}
	}
	for _, bad := range []string{"/scale?workers=100000", "/scale?workers=2&instance=9"} {
		if code, _ := call("POST", bad); code != http.StatusConflict {
			t.Errorf("%s: %d", bad, code)
		}
	}
}
