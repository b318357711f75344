package peers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestIsWorker(t *testing.T) {
	s := &Service{Spec: Spec{Program: Program{File: "/opt/hello.pl"}}}
	for line, want := range map[string]bool{
		"/usr/bin/perl|/opt/hello.pl":                        true,
		"/opt/hello.pl":                                      true,
		"/usr/bin/perl|-w|/opt/hello.pl":                     true,
		"php-fpm: pool b1":                                   true,
		"php-fpm: master process (/run/b1.conf)":             false,
		"/usr/bin/multiwatch|-f|4|--|/opt/hello.pl":          false,
		"/usr/bin/fcgisup|run|--app|b1":                      false,
		"/usr/bin/spawn-fcgi|-s|/run/x|-n|--|/opt/hello.pl4": false,
	} {
		if got := s.isWorker(strings.Split(line, "|")); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

// TestEndDescendants: what a command has left behind is found and ended, also when it has no parent any more.
func TestEndDescendants(t *testing.T) {
	if err := becomeReaper(); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("sh", "-c", "(setsid sleep 1000 & sleep 1001 &) ; exit 0").Run(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); len(descendants(os.Getpid())) < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("descendants are %v, want two", descendants(os.Getpid()))
		}
	}
	if err := endDescendants(); err != nil {
		t.Error(err)
	}
	if left := descendants(os.Getpid()); len(left) != 0 {
		t.Errorf("%v live on", left)
	}
}

// TestStopOrder: Stop does what was asked for in the opposite order, once, all of it, and after the end of ctx.
func TestStopOrder(t *testing.T) {
	s := &Service{}
	var done []string
	failed := errors.New("failed")
	s.atEnd(func(ctx context.Context) error { done = append(done, "first"); return ctx.Err() })
	s.atEnd(func(context.Context) error { done = append(done, "second"); return failed })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, failed) || errors.Is(err, context.Canceled) {
		t.Errorf("Stop = %v", err)
	}
	if err := s.Stop(ctx); err != nil || !slices.Equal(done, []string{"second", "first"}) {
		t.Errorf("a second Stop: %v, done %v", err, done)
	}
}

// TestLaunchProcess: a daemon that ignores SIGTERM, and its child, are ended, and its output is not an obstacle.
func TestLaunchProcess(t *testing.T) {
	s := &Service{host: &Host{Dir: t.TempDir()}}
	ready := filepath.Join(s.host.Dir, "ready")
	script := "trap '' TERM; sleep 1000 & touch " + ready + "; while :; do yes | head -c 100000; sleep 1; done"
	if err := s.launch(t.Context(), daemon{name: "stubborn", argv: []string{"/bin/sh", "-c", script}}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it was not started")
		}
	}
	group := s.roots[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Its timeout is ten seconds; a test has less.
	go func() { time.Sleep(200 * time.Millisecond); _ = syscall.Kill(group, syscall.SIGKILL) }()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(10 * time.Second); syscall.Kill(-group, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("its group lives on")
		}
		reapAny()
	}
}

// reapAny takes notice of children that we have inherited.
func reapAny() { _, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil) }

// TestAll: names are unique, and each that is told about an impossible host has a reason.
func TestAll(t *testing.T) {
	h := &Host{Dir: t.TempDir()}
	seen := map[string]bool{}
	for _, p := range All() {
		if seen[p.Name()] {
			t.Errorf("two peers are called %q", p.Name())
		}
		seen[p.Name()] = true
		reason := p.Unable(h, Spec{Program: Program{Command: []string{"/bin/true"}}})
		if able := p.Name() == "spawn-fcgi" || strings.HasPrefix(p.Name(), "multiwatch"); reason == "" && !able {
			t.Errorf("%s can do without systemd and fcgisup", p.Name())
		}
	}
}
