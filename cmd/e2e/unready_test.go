package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// TestProgramThatNeverGetsReadySaysWhy: in status and in the log, by real programs that people configure by mistake.
func TestProgramThatNeverGetsReadySaysWhy(t *testing.T) {
	dir := t.TempDir()
	cgi := filepath.Join(dir, "page.sh")
	if err := os.WriteFile(cgi, []byte("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nhi\\n'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "own.sock")
	for _, c := range []struct {
		name, needs, command, want string
	}{
		{"ownsocket", "/usr/sbin/fcgiwrap", fmt.Sprintf("[/usr/sbin/fcgiwrap, -s, %q]", "unix:"+own), "it listens on a socket of its own, " + own},
		{"plaincgi", "/bin/sh", fmt.Sprintf("[%q]", cgi), "it is CGI, not FastCGI"},
		{"daemon", "/usr/bin/spawn-fcgi", fmt.Sprintf("[/usr/bin/spawn-fcgi, -s, %q, --, /bin/sleep, \"30\"]", own+"2"), "it went into the background"},
		{"nothing", "/bin/sleep", "[/bin/sleep, \"60\"]", "it does not accept connections on standard input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inTurn(t, light)
			needFiles(t, c.needs)
			s := newConfigured(t, c.name, "command: "+c.command+"\nactivation: eager\nlimits: {start_timeout: 3s, stop_timeout: 1s}\nrestart: {delay: 10s, max_delay: 10s}")
			s.until(t, 40*time.Second, func(st control.Status) error {
				if st.LastFailure == nil || !strings.Contains(st.LastFailure.Detail, c.want) {
					return fmt.Errorf("%s", describe(st))
				}
				return nil
			})
			if out, err := s.fcgisup("status", "--control", s.control); err != nil || !strings.Contains(out, c.want) {
				t.Errorf("%v\n%s", err, out)
			}
			if !strings.Contains(s.log(), c.want) {
				t.Errorf("not in the log:\n%s", s.log())
			}
		})
	}
}
