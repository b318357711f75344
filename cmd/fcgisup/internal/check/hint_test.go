package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/fcgi"
)

// TestCheckAdvises: what cannot be connected to is said plainly, with what to do; a socket that this user may not use is unknown.
func TestCheckAdvises(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{file}, file + ": it is a file, not a socket; name the socket that the program listens on"},
		{[]string{file, "--path", "/"}, file + ": it is a file, not a socket; name the socket that the program listens on"},
		{[]string{dir, "--path", "/"}, dir + ": it is a directory, not a socket"},
		{[]string{none}, none + ": no such file or directory; no program listens there; start it, or name another address"},
		{[]string{rawSocket(t, false)}, "connection refused; no program listens there"},
	} {
		if text, code := checkLine(t, c.args...); code != nagiosCritical || !strings.Contains(text, c.want) {
			t.Errorf("%q: exit code %d\n%s", c.args, code, text)
		}
	}
	if err := os.Chmod(file, 0o660); err != nil {
		t.Fatal(err)
	}
	forbidden := checked{Address: file, network: "unix", code: nagiosCritical, err: &fcgi.Error{Class: fcgi.Refused, Err: fmt.Errorf("cannot connect to it: %w", unix.EACCES)}}
	forbidden.advise()
	if forbidden.code != NagiosUnknown || !strings.HasPrefix(forbidden.Hint, "run as root") || !strings.Contains(forbidden.Hint, "a member of the group") {
		t.Errorf("forbidden: %d, %q", forbidden.code, forbidden.Hint)
	}
	configured := checked{Instance: "rt@1", Address: none, network: "unix", err: unix.ENOENT}
	configured.advise()
	if !strings.HasPrefix(configured.Hint, "fcgisup apply") {
		t.Errorf("configured: %q", configured.Hint)
	}
}
