package nginx

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestFakeMaster: a process that calls itself a master is none.
func TestFakeMaster(t *testing.T) {
	fake := exec.Command("sleep", "60")
	fake.Args = []string{masterTitle + " /usr/sbin/nginx", "60"}
	if err := fake.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = fake.Process.Kill()
		_ = fake.Wait()
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if all, err := processes("/proc", masterTitle, nil); err == nil && slices.ContainsFunc(all, func(p Process) bool { return p.PID == fake.Process.Pid }) {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("not seen: %v, %v", all, err)
		}
	}
	masters, err := Masters()
	if err != nil || slices.Contains(masters, fake.Process.Pid) {
		t.Errorf("%v, %v", masters, err)
	}
}

func TestIsNginx(t *testing.T) {
	for name, c := range map[string]struct {
		exe, uids, root string
		want            bool
	}{
		"root's":               {"/usr/sbin/nginx", "0\t0\t0\t0", "/", true},
		"upgraded":             {"/usr/sbin/nginx (deleted)", "0\t0\t0\t0", "/", true},
		"debug":                {"/usr/sbin/nginx-debug", "0\t0\t0\t0", "/", true},
		"our own":              {"/home/me/nginx", "7\t7\t7\t7", "/", true},
		"another user's":       {"/home/bob/nginx", "8\t8\t8\t8", "/", false},
		"another program":      {"/usr/bin/python3", "0\t0\t0\t0", "/", false},
		"of a container":       {"/usr/sbin/nginx", "0\t0\t0\t0", os.TempDir(), false},
		"without a user":       {"/usr/sbin/nginx", "", "/", false},
		"in a nginx directory": {"/usr/lib/nginx/sleep", "0\t0\t0\t0", "/", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for link, to := range map[string]string{"exe": c.exe, "root": c.root} {
				if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "status"), []byte("Name:\tx\nUid:\t"+c.uids+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := isNginx(dir, 7); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
}
