package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// A worker's memory that is locked forever costs the instance a moment, once, and shows
// as a fact that is absent, with the reason.
func TestReadsThatBlockCostAMoment(t *testing.T) {
	t.Parallel()
	socket, err := listen.On(fcgisup.Instance{App: "t", Number: 1, Address: fcgisup.Address{Network: "unix", Addr: t.TempDir() + "/s"}}, fcgisup.Socket{Mode: 0o600, Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	spawner := NewSpawner()
	defer spawner.Close()
	h := &Starter{Socket: socket, Spawner: spawner, Groups: &scoreboard.Groups{}, Conduct: &scoreboard.Conduct{}, Output: NewOutputShare()}
	p, err := h.Spawn(Launch{Argv: []string{"/bin/sleep", "60"}}, func(string) {}, func(Exit, bool) {})
	if err != nil {
		t.Fatal(err)
	}
	g := spawner.group(p.PID())
	release := make(chan struct{})
	defer close(release)
	begun := time.Now()
	if _, err := g.reads.details.Read(time.Millisecond, 0, func() ([]string, error) { <-release; return nil, nil }); err == nil {
		t.Fatal("the read did not block")
	}
	for range 100 {
		if l := g.Observe(); !strings.Contains(l.Unknown, "locked") {
			t.Fatalf("%+v", l)
		}
		if !g.Accepts() {
			t.Fatal("what is not known was taken for a worker that does not accept")
		}
		if _, _, err := g.Memory(); err == nil {
			t.Fatal("memory was read")
		}
		if lines := strings.Join(g.Evidence(), "\n"); !strings.Contains(lines, "process ") || !strings.Contains(lines, "locked") {
			t.Fatalf("%q", lines)
		}
		_ = g.Resting()
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("took %s", d)
	}
}
