package listen

import (
	"os"
	"path/filepath"
	"testing"
)

func TestListenControl(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := Control(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	_, err = Control(path)
	wantError(t, err, "cannot listen on the control socket "+path, "in use by process")
	_ = l.(controlListener).Listener.Close() // as after a crash
	again, err := Control(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Control(path)
	wantError(t, err, "not a socket")
	_, err = Control(filepath.Join(t.TempDir(), "missing", "control.sock"))
	wantError(t, err, "cannot listen on the control socket")
}
