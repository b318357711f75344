package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// perlScript is a FastCGI program whose body runs for each request.
func perlScript(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.pl")
	text := "#!/usr/bin/perl\nuse FCGI;\nmy %e;\nmy $r = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\%e);\nwhile ($r->Accept() >= 0) { " + body + " }\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestJobInTheBackgroundIsNoRequest: it has the connection of an answered request, and its worker accepts again. Neither is
// ended by request_timeout, and a stop does not wait for the job.
func TestJobInTheBackgroundIsNoRequest(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	app := perlScript(t, `system("sleep 40 >/dev/null 2>&1 &"); print "Content-type: text/plain\r\n\r\nok\n";`)
	s := newConfigured(t, "jobs", "command: ["+app+"]\nactivation: eager\nlimits: {request_timeout: 1s, stop_timeout: 60s}")
	s.until(t, 30*time.Second, isUp)
	if _, err := fcgiAsk(s.network, s.address, "/", nil, nil); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(5 * time.Second) // request_timeout, several times
	for time.Now().Before(end) {
		if st := s.one(t); st.Restarts[control.Stuck] != 0 {
			t.Fatalf("%s\n%s", describe(st), s.log())
		}
		time.Sleep(200 * time.Millisecond)
	}
	s.until(t, 10*time.Second, func(st control.Status) error {
		if st.InFlight == nil || *st.InFlight != 0 || st.Workers[0].Busy == nil || *st.Workers[0].Busy {
			return fmt.Errorf("%s", describe(st))
		}
		return nil
	})
	begun := time.Now()
	if out, err := s.fcgisup("restart", "jobs", "--control", s.control); err != nil || time.Since(begun) > 30*time.Second {
		t.Errorf("after %s: %v\n%s", time.Since(begun), err, out)
	}
}
