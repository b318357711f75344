package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor"
)

// acceptedRoot holds a copy of each configuration file as it was last accepted. A supervisor, or the monitor, that finds its
// configuration invalid when systemd starts it uses the copy: requests would wait in the socket until the file is
// corrected. Only root writes there.
const acceptedRoot = "/var/lib/fcgisup/accepted"

// acceptedPath is the copy of a file: its path, escaped, is the name.
func acceptedPath(dir, path string) string { return filepath.Join(dir, url.PathEscape(path)) }

// keepAccepted copies the text of a configuration, readable by the same users as the file. It writes nothing if the copy is
// the same.
func keepAccepted(dir string, cfg *fcgisup.Config) error {
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return nil // a pipe: there is nothing to find at the next start either
	}
	mode := info.Mode().Perm() &^ 0o022
	place := acceptedPath(dir, path)
	if old, err := os.ReadFile(place); err == nil && bytes.Equal(old, cfg.Text) && sameAccess(place, mode, owner) {
		return nil
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		err := os.Mkdir(d, 0o755)
		if err == nil {
			err = os.Chmod(d, 0o755) // whatever the umask is
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := replaceOwned(place, cfg.Text, mode, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return syncFolder(dir)
}

func sameAccess(place string, mode fs.FileMode, owner *syscall.Stat_t) bool {
	info, err := os.Stat(place)
	if err != nil || info.Mode().Perm() != mode {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == owner.Uid && st.Gid == owner.Gid
}

// lastAccepted is the copy of a configuration file, and since when it is there. Others than root must not be able to put a
// file in that directory.
func lastAccepted(dir, path string) (*fcgisup.Config, time.Time, error) {
	if err := fcgisup.CheckTrust(dir, 0); err != nil {
		return nil, time.Time{}, err
	}
	f, err := os.OpenFile(acceptedPath(dir, path), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, fcgisup.MaxConfigSize+1))
	if err != nil {
		return nil, time.Time{}, err
	}
	cfg, err := fcgisup.Parse(path, text)
	return cfg, info.ModTime(), err
}

// acceptedInstead is what a start uses in place of a configuration that was refused, and what is said of it; nil without a
// copy, and for a person at a terminal, who corrects the file.
func (c *cli) acceptedInstead(dir string, cause error) (*fcgisup.Config, string) {
	if c.getenv("NOTIFY_SOCKET") == "" {
		return nil, ""
	}
	path, _, err := fcgisup.Find(c.config, c.getenv)
	if errors.Is(err, fcgisup.ErrNoConfig) {
		path, err = fcgisup.SystemConfig, nil
	}
	if err != nil {
		return nil, ""
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, ""
	}
	cfg, at, err := lastAccepted(dir, path)
	if err != nil {
		return nil, ""
	}
	why, _, _ := strings.Cut(cause.Error(), "\n")
	return cfg, fmt.Sprintf("%s of %s: %s", supervisor.AcceptedNote, at.Format(time.DateTime), why)
}

// keep is keepAccepted for a command that has succeeded, which fails for nothing that is wrong with the copy.
func (c *cli) keep(cfg *fcgisup.Config) {
	if cfg == nil || cfg.Path == "" || !isRoot() {
		return
	}
	if err := keepAccepted(acceptedRoot, cfg); err != nil {
		fmt.Fprintf(c.err, "fcgisup: cannot keep a copy of the configuration for a start at which it is invalid: %v\n", err)
	}
}

// isApplied reports whether units read the file: the system's own, or one that apply has kept a copy of.
func isApplied(dir, path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	_, err = os.Lstat(acceptedPath(dir, path))
	return err == nil || path == fcgisup.SystemConfig
}

// forgetAccepted removes the copies of configurations that no app of this host has any more.
func forgetAccepted(dir string, records map[string]*record) error {
	used := map[string]bool{}
	for _, r := range records {
		path := r.Config
		if path == "" {
			path = fcgisup.SystemConfig
		}
		used[url.PathEscape(path)] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var failures []error
	for _, e := range entries {
		if !used[e.Name()] {
			failures = append(failures, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(failures...)
}
