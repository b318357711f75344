package listen

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSwappedEntry: what another user puts in the place of a socket's file is
// neither given away nor opened to others.
func TestSwappedEntry(t *testing.T) {
	for name, plant := range map[string]func(path, victim string) error{
		"link":      func(path, victim string) error { return os.Symlink(victim, path) },
		"hard link": func(path, victim string) error { return os.Link(victim, path) },
		"nothing":   func(string, string) error { return nil },
		"socket": func(path, _ string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
			if err == nil {
				l.SetUnlinkOnClose(false)
				err = l.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := unixInstance(t)
			path := in.Address.Addr
			s := mustListen(t, in)
			defer s.Close()
			victim := filepath.Join(filepath.Dir(path), "victim")
			if err := os.WriteFile(victim, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Rename(path, path+".moved"), plant(path, victim)); err != nil {
				t.Fatal(err)
			}
			e, err := openEntry(path)
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			if _, err := setOwnership(s.Listener(), path, e, ownership{-1, -1, 0o666}); err == nil {
				t.Error("dressed what is not the socket's file")
			}
			for _, file := range []string{victim, path} {
				if info, err := os.Stat(file); err == nil && info.Mode().Perm() == 0o666 {
					t.Errorf("%s has got the mode", file)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); (err == nil) == (name == "nothing") {
				t.Errorf("the file in its place: %v", err)
			}
		})
	}
}

// TestSwapWhileMade: an entry that changes all the time never has a link's target changed.
func TestSwapWhileMade(t *testing.T) {
	dir := t.TempDir()
	path, victim := dir+"/c.sock", dir+"/victim"
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var end atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !end.Load() {
			_ = os.Remove(path)
			_ = os.Symlink("victim", path)
			_ = os.Remove(path)
		}
	}()
	for begun := time.Now(); time.Since(begun) < 300*time.Millisecond; {
		if l, err := Control(path); err == nil {
			_ = l.Close()
		}
	}
	end.Store(true)
	<-ended
	if info, err := os.Stat(victim); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the victim: %v, %v", info.Mode(), err)
	}
}

// TestUmask: the file is its maker's until it has its mode, and then has the whole mode.
func TestUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	path := filepath.Join(t.TempDir(), "s")
	s, err := replaceStale(path, 1, ownership{-1, -1, 0o666}, findNow)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestRemoveStale(t *testing.T) {
	in := unixInstance(t)
	path := in.Address.Addr
	s := mustListen(t, in)
	s.bound = nil // the file stays
	if err := RemoveStale(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("a socket in use is gone")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{link, path, path, filepath.Join(filepath.Dir(path), "none", "s")} {
		if err := RemoveStale(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("a stale socket stays")
	}
	if _, err := os.Lstat(link); err != nil {
		t.Error("a link is gone")
	}
}
