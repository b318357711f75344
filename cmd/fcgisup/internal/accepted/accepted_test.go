package accepted

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

const acceptedText = "apps:\n  a: {command: [/bin/true], listen: /run/a.sock}\n"

func acceptedConfig(t *testing.T, mode fs.FileMode) *fcgisup.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fcgisup.yaml")
	if err := os.WriteFile(path, []byte(acceptedText), mode); err != nil {
		t.Fatal(err)
	}
	cfg, err := fcgisup.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestAcceptedCopy: the copy has the text and the permissions of the file, never more, and it is not written twice.
func TestAcceptedCopy(t *testing.T) {
	t.Parallel()
	copies := Copies{dir: filepath.Join(t.TempDir(), "state", "accepted")}
	cfg := acceptedConfig(t, 0o640)
	if err := copies.Keep(cfg.Path, cfg.Text); err != nil {
		t.Fatal(err)
	}
	place := copies.path(cfg.Path)
	first, err := os.Stat(place)
	if err != nil || first.Mode().Perm() != 0o640 {
		t.Fatalf("%v, %v", first, err)
	}
	if err := copies.Keep(cfg.Path, cfg.Text); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(place); err != nil || !os.SameFile(first, again) {
		t.Errorf("written twice: %v", err)
	}
	if err := os.Chmod(cfg.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copies.Keep(cfg.Path, cfg.Text); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(place); err != nil || now.Mode().Perm() != 0o600 {
		t.Errorf("the copy is less secret than the file: %v, %v", now, err)
	}
	if err := copies.Forget([]string{cfg.Path}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(place); err != nil {
		t.Errorf("one in use is gone: %v", err)
	}
	if err := copies.Forget(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unused one is left: %v", err)
	}
}

// TestAcceptedInstead: under systemd, and only there, an invalid configuration is replaced by the accepted one.
func TestAcceptedInstead(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory that is trusted")
	}
	state, err := os.MkdirTemp("/var/lib", "fcgisup-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	copies := Copies{dir: filepath.Join(state, "accepted")}
	cfg := acceptedConfig(t, 0o644)
	if err := copies.Keep(cfg.Path, cfg.Text); err != nil {
		t.Fatal(err)
	}
	under := map[string]string{"NOTIFY_SOCKET": "/run/x"}
	c := &term.Env{Config: cfg.Path}
	c.Getenv = func(key string) string { return under[key] }
	cause := errors.New(cfg.Path + ":2:3: unknown key\n" + cfg.Path + ":3:1: another")
	got, note := Instead(c, cause, copies)
	if got == nil || got.Path != cfg.Path || len(got.Apps) != 1 {
		t.Fatalf("%+v", got)
	}
	if want := control.AcceptedNote + " of " + time.Now().Format("2006-01-02"); !strings.HasPrefix(note, want) || !strings.HasSuffix(note, ":2:3: unknown key") {
		t.Errorf("%q", note)
	}
	if err := os.Chmod(copies.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if got, _ := Instead(c, cause, copies); got != nil {
		t.Error("a copy that others can replace is used")
	}
	if err := os.Chmod(copies.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	under["NOTIFY_SOCKET"] = ""
	if got, _ := Instead(c, cause, copies); got != nil {
		t.Error("a person at a terminal is not shown the error")
	}
}
