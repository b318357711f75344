package lockfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Try(path, "user  a\nb")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	_, err = Try(path, "")
	var held *HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() || held.Note != "user a b" || !strings.HasSuffix(err.Error(), "(user a b) holds the lock "+path) {
		t.Errorf("got %v", err)
	}
	if _, err := TryExisting(path); !errors.As(err, &held) {
		t.Errorf("got %v", err)
	}
	l.Release()
	if l, err = TryExisting(path); err != nil {
		t.Fatal(err)
	}
	l.Remove()
	if _, err := TryExisting(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestPlanted: what another user could have put there is refused, or made again, and never followed.
func TestPlanted(t *testing.T) {
	for name, tc := range map[string]struct {
		plant func(path string) error
		want  string
	}{
		"link":      {func(p string) error { return os.Symlink(filepath.Dir(p)+"/victim", p) }, "it is a symbolic link"},
		"directory": {func(p string) error { return os.Mkdir(p, 0o755) }, "is a directory"},
		"fifo":      {func(p string) error { return unix.Mkfifo(p, 0o600) }, "it is not a regular file"},
		"hard link": {func(p string) error { return os.Link(filepath.Dir(p)+"/victim", p) }, "it has another name, too"},
		"of other":  {func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chown(p, 65534, 65534)) }, "it belongs to user 65534, not to user 0"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "of other" && os.Geteuid() != 0 {
				t.Skip("makes a file of another user; run as root")
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "lock")
			if err := os.WriteFile(dir+"/victim", []byte("text"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tc.plant(path); err != nil {
				t.Fatal(err)
			}
			if _, err := Acquire(t.Context(), path, "", time.Minute); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			if got, err := os.ReadFile(dir + "/victim"); err != nil || string(got) != "text" {
				t.Errorf("the victim holds %q, %v", got, err)
			}
		})
	}
}

// TestOpenToOthers: a file as earlier versions made it can be held by any user.
func TestOpenToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := TryExisting(path); err == nil || !strings.Contains(err.Error(), "others can open it, its mode is 0644") {
		t.Errorf("got %v", err)
	}
	l, err := Try(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAcquire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Try(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(t.Context(), path, "", 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("got %v", err)
	}
	got := make(chan error)
	go func() {
		l, err := Acquire(t.Context(), path, "", time.Minute)
		if err == nil {
			l.Release()
		}
		got <- err
	}()
	l.Remove()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestExclusive: removing the file with the lock never lets two in.
func TestExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 30 {
				l, err := Acquire(t.Context(), path, "", time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if !mu.TryLock() {
					t.Error("two hold it")
					return
				}
				mu.Unlock()
				l.Remove()
			}
		})
	}
	all.Wait()
}

func TestFor(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/open", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/open", 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("open", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	a, err := For(dir + "/open/a.sock")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(a) == dir+"/open" {
		t.Errorf("%s is where others write", a)
	}
	if same, err := For(dir + "/link/a.sock"); err != nil || same != a {
		t.Errorf("%s, %v, want %s", same, err, a)
	}
	if b, err := For(dir + "/open/b.sock"); err != nil || b == a {
		t.Errorf("%s, %v", b, err)
	}
	for path, want := range map[string]string{dir + "/open": "can be used by other users", dir + "/link": "is not a directory", dir + "/none": "no such file"} {
		if err := ownDir(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
