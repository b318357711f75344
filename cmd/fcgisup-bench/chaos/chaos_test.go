package chaos

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// programs builds what a run needs: the program under test, and those that it runs.
func programs(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	if err := Build(t.Context(), "../../../testdata/apps", dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "fcgisup")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "../../fcgisup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return Options{Fcgisup: path, Programs: dir}
}

// TestRun shares the programs between what it takes a fleet to show.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 20 s; skipped by -short")
	}
	if _, err := exec.LookPath("ss"); err != nil {
		t.Skip("ss is missing: run testdata/install-deps")
	}
	opt := programs(t)
	t.Run("smoke", func(t *testing.T) { t.Parallel(); smoke(t, opt) })
	t.Run("undeclared", func(t *testing.T) { t.Parallel(); undeclared(t, opt) })
}

// smoke: a short schedule, chosen for its variety, breaks no promise and leaves nothing.
func smoke(t *testing.T, opt Options) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var log bytes.Buffer
	opt.Log, opt.Members = &log, []string{"perl", "go", "c"}
	opt.Replay = []Step{
		{Kind: KillWorker, Member: "perl", Pick: 1, Pause: 50 * time.Millisecond},
		{Kind: KillSupervisor, Member: "go", Pause: 100 * time.Millisecond},
		{Kind: Restart, Member: "perl", Pause: 100 * time.Millisecond},
		{Kind: StopSupervisor, Member: "c", Hold: 2 * time.Second, Settle: true},
		{Kind: Handover, Member: "perl", Settle: true},
		{Kind: BreakConfig, Member: "c", Pick: 1, Settle: true},
		{Kind: Storm, Member: "perl", Pick: 3, Pause: 10 * time.Millisecond},
		{Kind: BreakProgram, Member: "go", Hold: 700 * time.Millisecond, Settle: true},
	}
	report, err := Run(ctx, opt)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, s := range report.Steps {
		if s.Skipped != "" {
			t.Errorf("%s was skipped: %s", s.Step, s.Skipped)
		}
	}
	for _, m := range []string{"perl", "go", "c"} {
		if n := report.Requests[m][Answered]; n < 20 {
			t.Errorf("%s has answered %d requests", m, n)
		}
	}
	report.Print(&log)
	if report.Failed() || !strings.Contains(log.String(), "every promise held") {
		t.Error(log.String())
	}
}

// undeclared: what the harness has not done itself, it notices. Workers are killed behind its back; each loss must
// be a violation, and the shortest trace is not claimed, since no step was to blame.
func undeclared(t *testing.T, opt Options) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	opt.Members = []string{"perl"}
	opt.Replay = []Step{{Kind: SilentClients, Member: "perl", Hold: 3 * time.Second, Settle: true}}
	dead := make(chan int, 1)
	go func() {
		defer close(dead)
		for ctx.Err() == nil {
			for _, pid := range descendants(os.Getpid()) {
				if strings.HasSuffix(commandLine(pid), "/d/perl.fcgi") {
					time.Sleep(time.Second) // the load has begun
					p, err := openProcess(pid)
					if err == nil {
						_ = p.signal(syscall.SIGKILL)
						closeProcesses([]process{p})
					}
					dead <- pid
					return
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	report, err := Run(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	if pid, ok := <-dead; !ok || pid == 0 {
		t.Fatal("no worker was found to kill")
	}
	if !slices.ContainsFunc(report.Violations, func(v Violation) bool { return v.Rule == RuleBusy && v.Member == "perl" }) {
		t.Errorf("a worker was killed, and that was not noticed: %v", report.Violations)
	}
}
