// Package e2e holds the end-to-end tests: they build fcgisup once and drive that binary as a user does, through its
// commands, signals, sockets, --json and control API, beside real programs, nginx and systemd. Nothing imports it. A test
// of a function belongs beside the function; a test here is one that needs the whole program.
//
// A test begins with inTurn, which runs it beside the others as far as processors and memory bear, and goes on with either
//
//   - newConfigured: fcgisup run for one app on a socket of the test's own, without systemd; or
//   - newBox: a machine of the test's own with systemd and nginx (package cmd/internal/box), which needs root and takes
//     about a second. Stories of a box use apps of different names and may be subtests of one test.
//
// It waits with within, until or soon, whose limits are those of a busy machine, and never for a time where a condition
// exists. Ratios and exact times are benchmarks (make bounds).
//
//	func TestRestartReplacesTheWorker(t *testing.T) {
//		inTurn(t, light)
//		needFiles(t, "/usr/bin/perl")
//		s := newConfigured(t, "app", "command: ["+appPath(t, "hello.pl")+"]")
//		first := s.hello(t, nil)
//		s.fcgisup("restart", "app")
//		if s.hello(t, nil) == first {
//			t.Errorf("worker %d still answers", first)
//		}
//	}
//
// All of them are skipped by -short.
package e2e
