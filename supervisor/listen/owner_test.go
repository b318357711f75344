package listen

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fcgisup/fcgisup"
)

// TestOwnersOf: root gives the socket away; others keep it, with a group of theirs
// that the web server is in, if there is one.
func TestOwnersOf(t *testing.T) {
	if os.Getenv("FCGISUP_TEST_OWNERS") != "" {
		uid, gid, err := owners(fcgisup.Socket{User: os.Getenv("FCGISUP_TEST_OWNERS"), Group: os.Getenv("FCGISUP_TEST_GROUP")})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("owners %d %d\n", uid, gid)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can try this as other users")
	}
	program := filepath.Join(t.TempDir(), "test")
	self, err := os.ReadFile("/proc/self/exe")
	if err := errors.Join(err, os.WriteFile(program, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(program); dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name        string
		who         *syscall.Credential
		user, group string
		want        string
	}{
		{"root", &syscall.Credential{}, "33", "7", "33 7"},
		{"another user", &syscall.Credential{Uid: 65533, Gid: 65533}, "www-data", "", "-1 -1"},
		{"in the web server's group", &syscall.Credential{Uid: 65533, Gid: 65533, Groups: []uint32{33}}, "www-data", "", "-1 33"},
		{"a group of its own", &syscall.Credential{Uid: 65533, Gid: 65533, Groups: []uint32{33, 7}}, "www-data", "7", "-1 7"},
		{"a group of others", &syscall.Credential{Uid: 65533, Gid: 65533, Groups: []uint32{33}}, "www-data", "7", "-1 -1"},
		{"no user", &syscall.Credential{Uid: 65533, Gid: 65533}, "", "", "-1 -1"},
	} {
		if c.user == "" {
			c.user = "no-such-user"
		}
		cmd := exec.Command(program, "-test.run", "^TestOwnersOf$", "-test.v")
		cmd.Env = []string{"FCGISUP_TEST_OWNERS=" + c.user, "FCGISUP_TEST_GROUP=" + c.group}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.who}
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "owners "+c.want+"\n") {
			t.Errorf("%s: %v, want %s: %s", c.name, err, c.want, out)
		}
	}
}
