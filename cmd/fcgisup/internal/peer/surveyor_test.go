package peer

import (
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRecent: surveys are shared, but do not tell what has been long ago.
func TestRecent(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		time.Millisecond: 10 * time.Millisecond, 40 * time.Millisecond: Recently, time.Second: 2 * time.Second,
	} {
		if got := recent(took); got != want {
			t.Errorf("one of %s is recent for %s, want %s", took, got, want)
		}
	}
}

// TestSurveyor: a look that is to be fresh shows what has come before it, and who
// comes while a survey is made gets the next, with all others who do.
func TestSurveyor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var s Surveyor
	conns := func(anew bool) int {
		t.Helper()
		found, sample, _, err := s.Look("unix", path, anew)
		if err != nil || sample.ConnsErr != nil {
			t.Fatal(err, sample.ConnsErr)
		}
		_ = found.Close()
		return len(sample.Conns)
	}
	if n := conns(false); n != 0 {
		t.Errorf("%d connections", n)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	s.took = time.Hour // a survey is recent for long
	if n := conns(false); n != 0 {
		t.Errorf("%d connections in a survey that was recent", n)
	}
	if n := conns(true); n != 1 {
		t.Errorf("%d fresh connections", n)
	}
	s.mu.Lock() // one is being made
	before := s.survey
	var all sync.WaitGroup
	var asking atomic.Int32
	surveys := make(chan any, 20)
	for range cap(surveys) {
		all.Go(func() {
			asking.Add(1)
			_, _, _, _ = s.Look("unix", path, true)
			s.mu.Lock()
			defer s.mu.Unlock()
			surveys <- s.survey
		})
	}
	for asking.Load() < int32(cap(surveys)) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	s.mu.Unlock()
	all.Wait()
	close(surveys)
	made := map[any]bool{}
	for one := range surveys {
		made[one] = true
	}
	// One for all. Who has said that it asks, and is not let run for 100 ms, comes late
	// and gets another; three are more than a busy machine needs.
	if len(made) > 3 || made[before] {
		t.Errorf("%d surveys for those who came at a time", len(made))
	}
}
