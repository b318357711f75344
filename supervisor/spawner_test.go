package supervisor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// The orphans of a group become zombies of the process that inherits them. As long as
// that one does not wait for them, kill(2) finds the group.
func TestZombiesOfOthersDoNotKeepAGroupAlive(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	b := run(t, "fork-grandchild")
	grandchild := b.ask("hello").pid
	leader := b.worker(control.Ready).PID
	if leader == grandchild {
		t.Fatal("the leader serves")
	}
	begin := time.Now()
	b.stop()
	if d := time.Since(begin); d > waitLimit/2 {
		t.Errorf("stopped after %s", d)
	}
	var status unix.WaitStatus
	if pid, err := unix.Wait4(-leader, &status, unix.WNOHANG, nil); err != nil || pid != grandchild {
		t.Errorf("reaped %d, %v; the zombie should have been there", pid, err)
	}
}
