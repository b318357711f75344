package access

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestAs: the thread has the credentials, the process has not, and the thread is gone afterwards.
func TestAs(t *testing.T) {
	if !term.IsRoot() {
		t.Skip("needs root, to become another user else")
	}
	dir := t.TempDir()
	for _, open := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := openRoot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	file := filepath.Join(dir, "a", "b", "file")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	who := Credentials{UID: 12345, GID: 12345, Groups: []int{777}}
	expect := func(name string, want Result) {
		t.Helper()
		var got Result
		if err := as(who, func() { got, err = try(int(root.Fd()), file, unix.W_OK) }); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Chmod(file, 0o660))
	expect("another's file", Result{Denied: file})
	check(os.Chown(file, 0, 777))
	expect("a supplementary group's file", Result{})
	check(os.Chmod(filepath.Join(dir, "a"), 0o700))
	expect("a closed directory", Result{Denied: filepath.Join(dir, "a")})
	check(os.Chmod(filepath.Join(dir, "a"), 0o711))
	check(os.Remove(file))
	expect("no file", Result{Missing: true})
	if os.Geteuid() != 0 {
		t.Error("the process is another user")
	}
	runtime.Gosched()
	for range 50 { // no thread that other code runs on has changed
		done := make(chan int)
		go func() { done <- os.Geteuid() }()
		if uid := <-done; uid != 0 {
			t.Fatalf("a goroutine runs as %d", uid)
		}
	}
}
