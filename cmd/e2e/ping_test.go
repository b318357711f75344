package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// unpingable are programs that answer every request and no ping.
func unpingable(t *testing.T) []program {
	none := func(*testing.T) map[string]string { return nil }
	return []program{
		{"ruby", []string{"/usr/bin/ruby", "/usr/lib/ruby/vendor_ruby/fcgi.rb"}, func(t *testing.T) []string {
			return []string{"/usr/bin/ruby", appPath(t, "hello.rb")}
		}, none},
		{"uwsgi", []string{"/usr/bin/uwsgi", "/usr/lib/uwsgi/plugins/python3_plugin.so"}, func(t *testing.T) []string {
			return []string{"/usr/bin/uwsgi", "--plugin", "python3", "--protocol=fastcgi", "--wsgi-file", appPath(t, "hello_wsgi.py"), "--master", "--workers", "2", "--die-on-term"}
		}, none},
	}
}

// noPing: the supervisor has found that the program answers none.
func noPing(st control.Status) error {
	if err := isUp(st); err != nil {
		return err
	}
	if st.Probe == nil || st.Probe.Ping != control.PingNone {
		return fmt.Errorf("probe %+v", st.Probe)
	}
	return nil
}

// TestProgramThatAnswersNoPingIsNotHarmed: it is pinged once, which costs it a worker at most and counts as no failure,
// over crashes, handovers and reloads; status says so, and check sends it nothing.
func TestProgramThatAnswersNoPingIsNotHarmed(t *testing.T) {
	for _, p := range unpingable(t) {
		t.Run(p.name, func(t *testing.T) {
			inTurn(t, busy)
			needFiles(t, p.needs...)
			command := "command: [\"" + strings.Join(p.command(t), `", "`) + "\"]"
			keys := command + "\nactivation: eager\nhealth: {interval: 200ms, timeout: 3s, failures: 2}"
			s := newConfigured(t, p.name, keys)
			s.until(t, 60*time.Second, noPing)
			pings := s.until(t, 20*time.Second, isUp).Exits[control.Pinged]
			if pings > 1 {
				t.Fatalf("%d workers ended at a ping", pings)
			}
			s.handOver(t, syscall.SIGUSR2)
			s.configure(t, p.name, keys+"\nlimits: {stop_timeout: 5s}")
			s.reload(t, p.name)
			worker := s.one(t).Workers[0].PID
			if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.until(t, 60*time.Second, func(st control.Status) error {
				if st.Restarts[control.Crash] != 1 || len(st.Workers) != 1 || st.Workers[0].PID == worker {
					return errors.New(describe(st))
				}
				return noPing(st)
			})
			time.Sleep(2 * time.Second) // some intervals
			st := s.one(t)
			if st.Exits[control.Pinged] != pings || st.Restarts[control.Probe]+st.Restarts[control.Stuck] != 0 || st.Restarts[control.Crash] != 1 {
				t.Errorf("restarts %v\n%s", st.Restarts, s.log())
			}
			if f := st.LastFailure; f == nil || f.PID != worker {
				t.Errorf("another failure than the murder of %d: %+v", worker, f)
			}
			out, err := s.fcgisup("status", "--control", s.control)
			if err != nil || !strings.Contains(out, "  none  ") || !strings.Contains(out, "health.path") {
				t.Errorf("%v\n%s", err, out)
			}
			results, code := s.check(t, "--control", s.control)
			if code != 0 || len(results) != 1 || !strings.HasPrefix(results[0].Note, "answers no ping; use --path") {
				t.Errorf("exit %d, %+v", code, results)
			}
			if results, code := s.check(t, "--control", s.control, "--path", "/"); code != 0 {
				t.Errorf("exit %d, %+v", code, results)
			}
			if now := s.one(t).Workers[0].PID; now != st.Workers[0].PID {
				t.Errorf("check has ended worker %d", st.Workers[0].PID)
			}
		})
	}
}

// TestCheckPingsWhatAnswersPings: of a libfcgi program its supervisor knows that it answers.
func TestCheckPingsWhatAnswersPings(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	s := newConfigured(t, "pingable", fmt.Sprintf("command: [%s]\nactivation: eager\nlisten: DIR/a%%i.sock", appPath(t, "hello.pl")))
	s.until(t, 30*time.Second, func(st control.Status) error {
		if st.Probe == nil || st.Probe.Ping != control.PingAnswers {
			return fmt.Errorf("%+v", st.Probe)
		}
		return nil
	})
	if out, err := s.fcgisup("check", "--config", s.configPath(), "--control", s.control); err != nil || !strings.Contains(out, "alive") {
		t.Errorf("%v, %s", err, out)
	}
	if os.Geteuid() == 0 {
		if results, code := s.check(t, filepath.Join(s.dir, "a1.sock")); code != 0 || !strings.Contains(results[0].Note, "a worker accepts") {
			t.Errorf("by address, without its supervisor: exit %d, %+v", code, results)
		}
	}
}
