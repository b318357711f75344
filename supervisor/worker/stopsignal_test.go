package worker

import (
	"os"
	"syscall"
	"testing"
)

// TestLethalSignals: a Go program is killed while it is stopped only after one of its workers has died of the stop signal.
func TestLethalSignals(t *testing.T) {
	t.Parallel()
	launch := Launch{Argv: []string{"x"}, StopSignal: syscall.SIGTERM}
	what, isGo := invocationOf(os.Getpid(), launch)
	if !isGo || what.inode == 0 {
		t.Fatalf("this test is a Go program: %+v", what)
	}
	other := what
	other.argv = "y"
	const byTerm, byKill, exit0 = syscall.WaitStatus(syscall.SIGTERM), syscall.WaitStatus(syscall.SIGKILL), syscall.WaitStatus(0)
	for _, c := range []struct {
		name string
		sent *sentSignal
		exit syscall.WaitStatus
		want syscall.Signal
	}{
		{"died of it", &sentSignal{what: what, sent: true}, byTerm, syscall.SIGKILL},
		{"ended by itself after it", &sentSignal{what: what, sent: true}, exit0, syscall.SIGTERM},
		{"had to be killed", &sentSignal{what: what, sent: true}, byKill, syscall.SIGTERM},
		{"got it from another process", &sentSignal{}, byTerm, syscall.SIGTERM},
		{"was called with other arguments", &sentSignal{what: other, sent: true}, byTerm, syscall.SIGTERM},
	} {
		known := &fatalSignals{}
		known.learn(c.sent, Exit{Status: c.exit})
		g := &group{launch: launch, fatal: known, sent: &sentSignal{}}
		if got := g.stopSignal([]int{1}, what, true, syscall.SIGTERM); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := g.stopSignal([]int{1, 2}, what, true, syscall.SIGTERM); got != syscall.SIGTERM {
			t.Errorf("%s: a group of two gets %v", c.name, got)
		}
		if got := g.stopSignal([]int{1}, what, false, syscall.SIGTERM); got != syscall.SIGTERM {
			t.Errorf("%s: a program that is not Go gets %v", c.name, got)
		}
	}
}
