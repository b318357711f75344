package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/fcgi"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// counting is a supervisor that counts what it is asked.
type counting struct {
	mu             sync.Mutex
	all            []control.Status
	requests, told int
	// deaf fails, old knows no ?instance.
	deaf, old bool
}

func (s *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	answer := []control.Status{}
	for _, st := range s.all {
		if which := r.URL.Query().Get("instance"); s.old || which == "" || which == strconv.Itoa(st.Instance) {
			answer = append(answer, st)
		}
	}
	s.told += len(answer)
	if s.deaf {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *counting) count() (requests, told int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.told
}

// countingAt answers for instances behind a control socket below a directory.
func countingAt(t *testing.T, root, folder string, all []control.Status) *counting {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, folder, control.ControlName))
	if err != nil {
		t.Fatal(err)
	}
	s := &counting{all: all}
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// manyInstances are n of an app that have a listener and no worker.
func manyInstances(t *testing.T, n int, state control.InstanceState, inFlight int) (dir string, all []control.Status) {
	t.Helper()
	dir = t.TempDir()
	for i := range n {
		address := filepath.Join(dir, fmt.Sprintf("a%d.sock", i+1))
		l, err := net.Listen("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		none := 0
		all = append(all, control.Status{App: "many", Instance: i + 1, Address: address, State: state, InFlight: &inFlight, Queue: &none})
	}
	text := fmt.Sprintf("apps:\n  many:\n    command: /bin/false\n    instances: %d\n    listen: %s/a%%i.sock\n    health: {path: /, timeout: 100ms}\n", n, dir)
	if err := os.WriteFile(filepath.Join(dir, "fcgisup.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, all
}

// TestCheckManyAsksLittle: what a supervisor has to tell a check grows with its
// instances, not with their square.
func TestCheckManyAsksLittle(t *testing.T) {
	t.Parallel()
	const n = 100
	for _, c := range []struct {
		state    control.InstanceState
		inFlight int
		result   string
	}{
		{control.Sleeping, 0, "OK"},
		{control.Saturated, 1, "WARNING"},
		{control.Up, 1, "WARNING"}, // looked at before and after a probe that times out
		{control.Up, 0, "CRITICAL"},
	} {
		t.Run(fmt.Sprint(c.state, c.inFlight), func(t *testing.T) {
			dir, all := manyInstances(t, n, c.state, c.inFlight)
			s := countingAt(t, filepath.Join(dir, "controls"), "many", all)
			results, _ := checkOf(t, dir, filepath.Join(dir, "controls"))
			if len(results) != n {
				t.Fatalf("%d results", len(results))
			}
			for _, r := range results {
				if r.Result != c.result || r.Sleeping != (c.state == control.Sleeping) {
					t.Fatalf("%+v, want %s", r, c.result)
				}
			}
			if requests, told := s.count(); requests > 1+2*n || told > 3*n {
				t.Errorf("%d requests, which told %d instances; %d of %d are enough", requests, told, 1+2*n, 3*n)
			}
		})
	}
}

// TestCheckGoesByWhatIsRecent: who came before a probe, but after an old look, does
// excuse the backend; who came after a recent look does not.
func TestCheckGoesByWhatIsRecent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		age    time.Duration
		served int // after the probe
		want   int
	}{
		{-time.Minute, 1, nagiosCritical}, // however slow the machine is
		{2 * peer.Recently, 1, nagiosWarning},
		{2 * peer.Recently, 0, nagiosCritical},
	} {
		tg := target{request: fcgi.Request{Network: "unix", Address: path, Path: "/"}, timeout: 100 * time.Millisecond}
		tg.status = func(_ context.Context, anew bool) control.Reply {
			st := &control.Status{Address: path, State: control.Up, InFlight: new(int), Queue: new(int)}
			if !anew {
				return control.Reply{Status: st, At: time.Now().Add(-c.age)}
			}
			*st.InFlight = c.served
			return control.Reply{Status: st, At: time.Now()}
		}
		if r := tg.ask(t.Context()); r.code != c.want {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}
