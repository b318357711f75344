package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestScoreboard: three workers, eight requests that wait for a file: the kernel knows who is served and who waits.
func TestScoreboard(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			keys := fmt.Sprintf("command: [%s]\nworkers: 3", appPath(t, "hello.pl"))
			address := ""
			if network == "tcp" {
				address = freeAddress(t)
				keys += "\nlisten: " + address
			}
			s := newConfigured(t, "board", keys)
			if network == "tcp" {
				s.network, s.address = network, address
			}
			s.hello(t, nil)
			s.until(t, 20*time.Second, settled(3))
			var answers []<-chan outcome
			release, begin := filepath.Join(t.TempDir(), "release"), time.Now()
			for range 8 {
				answers = append(answers, s.sends("/until?"+release))
			}
			st := s.until(t, 3*time.Second, eightAtThree)
			s.boardIsTold(t, st, begin)
			writeFile(t, release, "")
			served := map[int]int{}
			for _, answer := range answers {
				served[answeredBy(t, <-answer)]++
			}
			for _, w := range st.Workers {
				if served[w.PID] == 0 {
					t.Errorf("worker %d served none of eight; all: %v", w.PID, served)
				}
			}
			s.until(t, 5*time.Second, func(st control.Status) error {
				if *st.Queue != 0 || *st.InFlight != 0 || *st.OldestRequestSeconds != 0 || *st.QueueHeadSeconds != 0 || st.State != control.Up {
					return fmt.Errorf("afterwards %s, queue %d, in flight %d", st.State, *st.Queue, *st.InFlight)
				}
				return nil
			})
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return free.Addr().String()
}

// eightAtThree is the middle of TestScoreboard, at least a second old.
func eightAtThree(st control.Status) error {
	if len(st.Missing) > 0 || st.Queue == nil || st.Backlog == nil || st.InFlight == nil ||
		st.OldestRequestSeconds == nil || st.QueueHeadSeconds == nil || st.Orphaned == nil {
		return fmt.Errorf("fields are missing: %v", st.Missing)
	}
	busy := 0
	for _, w := range st.Workers {
		if w.Busy != nil && *w.Busy {
			busy++
		}
	}
	if *st.Queue != 5 || *st.InFlight != 3 || busy != 3 || st.State != control.Saturated || *st.OldestRequestSeconds < 1 {
		return fmt.Errorf("%s, queue %d, in flight %d, busy %d, oldest %.1f s; want saturated, 5, 3, 3",
			st.State, *st.Queue, *st.InFlight, busy, *st.OldestRequestSeconds)
	}
	return nil
}

// boardIsTold checks the rest of the status of requests that began then, and that metrics and top say the same.
func (s *supervised) boardIsTold(t *testing.T, st control.Status, begin time.Time) {
	t.Helper()
	longest := time.Since(begin).Seconds()
	if *st.Backlog != 511 || *st.Orphaned != 0 || *st.QueueHeadSeconds < 0.5 || *st.QueueHeadSeconds > longest || *st.OldestRequestSeconds > longest {
		t.Errorf("backlog %d, orphaned %d, head %.1f s, oldest %.1f s", *st.Backlog, *st.Orphaned, *st.QueueHeadSeconds, *st.OldestRequestSeconds)
	}
	for _, w := range st.Workers {
		if w.MemoryBytes == nil || *w.MemoryBytes < 1<<20 || w.MemoryKind != "pss" || w.RequestsSeen == nil || *w.RequestsSeen < 1 {
			t.Errorf("worker %+v; want some MiB of PSS and at least a request", w)
		}
		// One that took its request right after another is busy since that.
		if age := time.Since(w.Since); age < time.Second/2 || age > time.Since(begin)+5*time.Second {
			t.Errorf("worker %d is busy since %v", w.PID, age)
		}
	}
	const labels = `{app="board",instance="1"}`
	for sample, want := range map[string]float64{
		"fcgisup_queue_length" + labels: 5, "fcgisup_queue_capacity" + labels: 511,
		"fcgisup_in_flight" + labels: 3, "fcgisup_workers_busy" + labels: 3, "fcgisup_orphaned_requests" + labels: 0,
		`fcgisup_instance_state{app="board",instance="1",state="saturated"}`: 1,
	} {
		if got := s.metric(t, sample); got != want {
			t.Errorf("%s %g, want %g", sample, got, want)
		}
	}
	top, err := s.fcgisup("top", "--once")
	if err != nil {
		t.Fatalf("top: %v\n%s", err, top)
	}
	for _, w := range st.Workers {
		if !slices.ContainsFunc(strings.Split(top, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "board@1 ") && strings.Contains(line, fmt.Sprintf(" %d ", w.PID)) && strings.Contains(line, " busy ") && strings.Contains(line, "MiB pss")
		}) {
			t.Errorf("top does not show worker %d busy:\n%s", w.PID, top)
		}
	}
}

// TestAbandoned: clients that go away are told apart from those that wait: in the queue they are counted as
// abandoned, at a worker as orphaned.
func TestAbandoned(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			keys := fmt.Sprintf("command: [%s]", appPath(t, "hello.pl"))
			address := ""
			if network == "tcp" {
				address = freeAddress(t)
				keys += "\nlisten: " + address
			}
			s := newConfigured(t, "left", keys)
			if network == "tcp" {
				s.network, s.address = network, address
			}
			s.hello(t, nil)
			served := s.hold(t, fcgiRequest("/sleep?ms=3000", nil, nil))
			s.until(t, 2*time.Second, func(st control.Status) error {
				if *st.InFlight != 1 {
					return fmt.Errorf("in flight %d", *st.InFlight)
				}
				return nil
			})
			for range 2 {
				conn := s.hold(t, fcgiRequest("/", nil, nil))
				time.Sleep(300 * time.Millisecond) // to be seen waiting
				conn.Close()
			}
			served.Close()
			s.until(t, 2*time.Second, func(st control.Status) error {
				if *st.Orphaned != 1 || *st.InFlight != 1 || st.Abandoned != 2 {
					return fmt.Errorf("orphaned %d of %d in flight, abandoned %d; want 1 of 1, 2", *st.Orphaned, *st.InFlight, st.Abandoned)
				}
				return nil
			})
			if n := s.metric(t, `fcgisup_requests_abandoned_total{app="left",instance="1"}`); n != 2 {
				t.Errorf("fcgisup_requests_abandoned_total %g", n)
			}
		})
	}
}

// TestGroupIsOneWorker: php-cgi forks children that serve; its worker is busy as soon as one of them is.
func TestGroupIsOneWorker(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/php-cgi")
	s := newConfigured(t, "group", "command: [/usr/bin/php-cgi]\nenvironment: {PHP_FCGI_CHILDREN: \"2\"}")
	params := script("hello.php")(t)
	leader := 0
	first := s.hello(t, params)
	st := s.until(t, 10*time.Second, settled(1))
	if leader = st.Workers[0].PID; leader == first {
		t.Fatalf("php-cgi %d answers itself: it has no children", leader)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := fcgiAsk(s.network, s.address, "/sleep?ms=2000", nil, params)
		answer <- err
	}()
	s.until(t, 2*time.Second, func(st control.Status) error {
		if w := st.Workers[0]; *st.InFlight != 1 || w.Busy == nil || !*w.Busy || w.PID != leader {
			return fmt.Errorf("in flight %d, worker %+v, want %d", *st.InFlight, w, leader)
		}
		return nil
	})
	if err := <-answer; err != nil {
		t.Error(err)
	}
	s.until(t, 10*time.Second, func(st control.Status) error { // it is read aside, and may not be known yet
		if w := st.Workers[0]; w.MemoryBytes == nil || *w.MemoryBytes < 2<<20 {
			return fmt.Errorf("worker %+v, want the memory of three processes", w)
		}
		return nil
	})
}
