package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Options says what to run. Programs and Fcgisup are needed.
type Options struct {
	// Seed names the schedule.
	Seed uint64
	// Time is how long steps are begun; getting ready before and the checks after come on top.
	Time time.Duration
	// Replay are the steps to perform instead, however long that takes.
	Replay []Step
	// Fcgisup is the program under test.
	Fcgisup string
	// Programs is a directory that Build has filled.
	Programs string
	// Members are those of the fleet to run; empty: all that the machine can.
	Members []string
	// Systemd adds members that systemd holds; for a box, since it puts units in /etc.
	Systemd bool
	// Replays bounds how often a failed schedule is replayed to find the shortest trace.
	Replays int
	// Log gets a line for each step as it happens.
	Log io.Writer
}

// Performed is a step as it went.
type Performed struct {
	Step
	At time.Duration `json:"at"`
	// Note is what it came to; Skipped is why it was not performed.
	Note    string `json:"note,omitempty"`
	Skipped string `json:"skipped,omitempty"`
	// Recovery is how long the member took from the fault's end until it was well.
	Recovery time.Duration `json:"recovery"`
}

// Report is what a run has shown.
type Report struct {
	Seed  uint64        `json:"seed"`
	Took  time.Duration `json:"took"`
	Steps []Performed   `json:"steps"`
	// Requests counts outcomes, by member.
	Requests map[string]map[Outcome]int `json:"requests"`
	// Gaps is the longest time without an answer, by member.
	Gaps       map[string]time.Duration `json:"gaps"`
	Violations []Violation              `json:"violations"`
	// Absent is what this machine does not offer.
	Absent []string `json:"absent,omitempty"`
	// Trace is the shortest schedule that was seen to break the same rule; empty
	// if it was not seen again.
	Trace []Step `json:"trace,omitempty"`
}

// Failed reports whether a promise did not hold.
func (r Report) Failed() bool { return len(r.Violations) > 0 }

// Build compiles and copies the programs of testdata/apps. What cannot be
// compiled here is left out, and its member with it.
func Build(ctx context.Context, apps, into string) error {
	for _, name := range []string{"hello.pl", "liar.pl", "hello.php"} {
		text, err := os.ReadFile(filepath.Join(apps, name))
		if err != nil {
			return fmt.Errorf("cannot copy a program: %w", err)
		}
		if err := os.WriteFile(filepath.Join(into, name), text, 0o755); err != nil {
			return fmt.Errorf("cannot copy a program: %w", err)
		}
	}
	source, err := filepath.Abs(apps)
	if err != nil {
		return fmt.Errorf("cannot find the programs: %w", err)
	}
	compile := func(argv ...string) error {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("cannot compile: %s: %w\n%s", argv[0], err, out)
		}
		return nil
	}
	return errors.Join(
		compile("go", "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(into, "hello-go"), "./hello-go"),
		compile("cc", "-O1", "-o", filepath.Join(into, "hello-c"), "hello.c", "-lfcgi"),
	)
}
