package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"
)

// weight is how much of the machine a test takes while it runs.
type weight int64

const (
	// light waits most of the time, such as a test of a few requests or of one box.
	light weight = 1
	// busy puts a steady load on a box, or starts many processes.
	busy weight = 2
	// heavy takes a core: builds, a browser, a load without pauses.
	heavy weight = 4
	// alone runs beside no other test of this package.
	alone weight = 1 << 20
)

// lightPerCore is how many light tests run at once for each processor; a box takes some 150 MB.
const (
	lightPerCore = 4
	lightMemory  = 256 << 20
)

var turns = sync.OnceValue(func() *scheduler {
	size := max(int64(heavy), min(int64(runtime.NumCPU())*lightPerCore, memoryAvailable()/lightMemory))
	return &scheduler{size: size, sem: semaphore.NewWeighted(size)}
})

// scheduler lets tests run in the order in which they ask, as many at once as their weights allow.
type scheduler struct {
	size int64
	sem  *semaphore.Weighted

	mu   sync.Mutex
	done []turn
}

type turn struct {
	name         string
	waited, took time.Duration
}

// inTurn makes the test parallel and returns when it is its turn, which ends with the test. It is called once, by a
// test function and not by its subtests, which share its turn.
func inTurn(t *testing.T, w weight) {
	t.Helper()
	t.Parallel()
	s := turns()
	n := min(int64(w), s.size)
	asked := time.Now()
	if err := s.sem.Acquire(context.Background(), n); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	t.Cleanup(func() {
		s.sem.Release(n)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done = append(s.done, turn{t.Name(), begin.Sub(asked), time.Since(begin)})
	})
}

// slowest are the n tests that took longest, without the wait for their turns.
func (s *scheduler) slowest(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.SortedFunc(slices.Values(s.done), func(a, b turn) int { return int(b.took - a.took) })
	var b strings.Builder
	for _, d := range all[:min(n, len(all))] {
		fmt.Fprintf(&b, "%8.1fs %s (waited %.1fs for its turn)\n", d.took.Seconds(), d.name, d.waited.Seconds())
	}
	return b.String()
}

// memoryAvailable is in bytes; without /proc/meminfo it is no limit.
func memoryAvailable() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 1 << 62
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 1 << 62
}

// TestMain lets inTurn alone decide how many tests run at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "1000"); err != nil {
		panic(err)
	}
	code := m.Run()
	if testing.Verbose() {
		fmt.Print("slowest tests of this package:\n", turns().slowest(10))
	}
	os.Exit(code)
}
