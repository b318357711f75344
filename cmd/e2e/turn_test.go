package e2e

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// weight is how much of the machine a test takes while it runs, and when it begins.
type weight struct{ units, rank int }

var (
	// light waits most of the time, such as a test of a few requests or of one box.
	light = weight{1, 0}
	// long is light and takes over 20 s on an idle machine, so it begins early.
	long = weight{1, 2}
	// busy puts a steady load on an app, or starts many processes.
	busy = weight{2, 2}
	// heavy takes a core: builds, a browser, a load without pauses.
	heavy = weight{4, 3}
)

// A processor bears so many units at once, and a unit takes so much memory: a box has some 150 MB.
const (
	unitsPerCore = 4
	unitMemory   = 256 << 20
)

// turns lets tests run as many at once as their weights allow.
var turns = sync.OnceValue(func() *scheduler {
	size := max(heavy.units, min(runtime.NumCPU()*unitsPerCore, int(memoryAvailable()/unitMemory)))
	return &scheduler{size: size, free: size}
})

// scheduler gives out units, first to the highest rank and then in the order of asking. Who asks for more than is free
// does not hold up others.
type scheduler struct {
	size int // units that there are

	mu      sync.Mutex
	free    int
	waiting []*request
}

type request struct {
	weight
	granted chan struct{}
}

func (s *scheduler) acquire(w weight) *request {
	r := &request{w, make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, r)
	slices.SortStableFunc(s.waiting, func(a, b *request) int { return b.rank - a.rank })
	s.grant()
	s.mu.Unlock()
	<-r.granted
	return r
}

func (s *scheduler) release(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += r.units
	s.grant()
}

func (s *scheduler) grant() {
	s.waiting = slices.DeleteFunc(s.waiting, func(r *request) bool {
		if r.units > s.free {
			return false
		}
		s.free -= r.units
		close(r.granted)
		return true
	})
}

// inTurn makes the test parallel and returns when it is its turn, which ends with the test. It is called once, by a
// test function and not by its subtests, which share its turn. With -short none runs.
func inTurn(t *testing.T, w weight) {
	t.Helper()
	if testing.Short() {
		t.Skip("drives the whole program; skipped by -short")
	}
	t.Parallel()
	s := turns()
	w.units = min(w.units, s.size)
	asked := time.Now()
	r := s.acquire(w)
	if waited := time.Since(asked); waited > 100*time.Millisecond {
		t.Logf("waited %.1fs for its turn", waited.Seconds()) // testdata/run-tests reads it
	}
	t.Cleanup(func() { s.release(r) })
}

// memoryAvailable is in bytes; without /proc/meminfo it is not a limit.
func memoryAvailable() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 1 << 40
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 1 << 40
}

// TestMain lets inTurn alone decide how many tests run at once. It reads the directories of the sources, so that go test knows
// that results depend on them: the program is built by another process.
func TestMain(m *testing.M) {
	flag.Parse()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && slices.Contains([]string{".git", "bin", "dist"}, d.Name()) {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	if err := flag.Set("test.parallel", "1000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
