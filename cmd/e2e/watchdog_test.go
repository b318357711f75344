package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestWatchdogOverHandovers: each program that takes over tells the watchdog at once. If it began with the pause between
// two beats, handovers that follow each other sooner would have systemd kill what works.
func TestWatchdogOverHandovers(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newSupervised(t)
	s.binary = fcgisupBinary(t)
	s.configure(t, "dog", fmt.Sprintf("command: [%s, none]", appPath(t, "liar.pl")))
	notify := filepath.Join(s.dir, "notify")
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = heard.Close() })
	var mu sync.Mutex
	beats := 0
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := heard.Read(buf)
			if err != nil {
				return
			}
			mu.Lock()
			beats += strings.Count(string(buf[:n]), "WATCHDOG=1")
			mu.Unlock()
		}
	}()
	so := func() int { mu.Lock(); defer mu.Unlock(); return beats }

	// Half of ten minutes is longer than this test: no beat is but the first of each program.
	s.launch(t, "/usr/bin/env", "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=600000000",
		s.binary, "run", "--config", s.configPath(), "--control", s.control)
	within(t, 20*time.Second, func() error {
		s.alive(t)
		_, err := fetchStatus(t.Context(), s.control)
		return err
	})
	for n := 1; n <= 3; n++ {
		within(t, 20*time.Second, func() error {
			s.alive(t)
			if so() != n {
				return fmt.Errorf("the watchdog was told %d times by %d programs\n%s", so(), n, s.log())
			}
			return nil
		})
		s.handOver(t, syscall.SIGUSR2)
	}
	s.stop(t, s.hello(t, nil))
}
