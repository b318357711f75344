package accepted

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/internal/atomicfile"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/units"
)

// Copies is a directory that holds a copy of each configuration file as it was last accepted. A supervisor, or the
// monitor, that finds its configuration invalid when systemd starts it uses the copy: requests would wait in the socket
// until the file is corrected.
type Copies struct {
	dir string
	// uid alone may write there, root aside.
	uid int
}

// ByRoot are the copies that apply and reload keep.
var ByRoot = Copies{dir: "/var/lib/fcgisup/accepted"}

// ByService are the copies that a service keeps of what its workers run with, in the StateDirectory= of its app, for
// hosts without apply. The app's user can change them, and gains nothing: the supervisor that reads them runs as that user.
func ByService(c *term.Env, app string) (copies Copies, ok bool) {
	dir := units.StatePath(app)
	ok = slices.Contains(strings.Split(c.Getenv("STATE_DIRECTORY"), ":"), dir) // beside the administrator's own
	return Copies{dir: dir, uid: os.Geteuid()}, ok
}

// path is the copy of a file: its path, escaped, is the name.
func (a Copies) path(file string) string { return filepath.Join(a.dir, url.PathEscape(file)) }

// Keep copies the text of a configuration, readable by the same users as the file, or by the service's own. It writes
// nothing if the copy is the same.
func (a Copies) Keep(path string, text []byte) error {
	path, err := filepath.Abs(path)
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
	mode, uid, gid := info.Mode().Perm()&^0o022, int(owner.Uid), int(owner.Gid)
	if a.uid != 0 {
		mode, uid, gid = 0o600, a.uid, os.Getegid()
	}
	place := a.path(path)
	if old, err := os.ReadFile(place); err == nil && bytes.Equal(old, text) && hasAccess(place, mode, uid, gid) {
		return nil
	}
	for _, d := range []string{filepath.Dir(a.dir), a.dir} {
		err := os.Mkdir(d, 0o755)
		if err == nil {
			err = os.Chmod(d, 0o755) // whatever the umask is
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := atomicfile.ReplaceOwned(place, text, mode, uid, gid); err != nil {
		return err
	}
	return atomicfile.SyncDir(a.dir)
}

func hasAccess(place string, mode fs.FileMode, uid, gid int) bool {
	info, err := os.Stat(place)
	if err != nil || info.Mode().Perm() != mode {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == uid && int(st.Gid) == gid
}

// last returns the copy of a configuration file, and the time at which it was made. Other users must not be able to put a
// file in the directory.
func (a Copies) last(path string, variables fcgisup.Variables) (*fcgisup.Config, time.Time, error) {
	if err := fcgisup.CheckTrust(a.dir, a.uid); err != nil {
		return nil, time.Time{}, err
	}
	f, err := os.OpenFile(a.path(path), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
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
	cfg, err := fcgisup.Parse(path, text, variables)
	return cfg, info.ModTime(), err
}

// Instead returns what a start uses in place of a configuration that was refused: the newest of the copies, and the
// note about it. It returns nil without a copy, and for a person at a terminal, who corrects the file.
func Instead(c *term.Env, cause error, places ...Copies) (*fcgisup.Config, string) {
	if c.Getenv("NOTIFY_SOCKET") == "" {
		return nil, ""
	}
	path, _, err := fcgisup.Find(c.Config, c.Getenv)
	if errors.Is(err, fcgisup.ErrNoConfig) {
		path, err = fcgisup.SystemConfig, nil
	}
	if err != nil {
		return nil, ""
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, ""
	}
	var newest *fcgisup.Config
	var since time.Time
	for _, place := range places {
		if cfg, at, err := place.last(path, c.Variables()); err == nil && at.After(since) {
			newest, since = cfg, at
		}
	}
	if newest == nil {
		return nil, ""
	}
	why, _, _ := strings.Cut(cause.Error(), "\n")
	return newest, fmt.Sprintf("%s of %s: %s", control.AcceptedNote, since.Format(time.DateTime), why)
}

// Keep copies the configuration for a command that has succeeded, and that no fault of the copy makes fail.
func Keep(c *term.Env, cfg *fcgisup.Config) {
	if cfg == nil || cfg.Path == "" || !term.IsRoot() {
		return
	}
	if err := ByRoot.Keep(cfg.Path, cfg.Text); err != nil {
		fmt.Fprintf(c.Err, "fcgisup: cannot keep a copy of the configuration for a start at which it is invalid: %v\n", err)
	}
}

// Applied reports whether units read the file: the system's own, or one that apply has kept a copy of.
func (a Copies) Applied(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	_, err = os.Lstat(a.path(path))
	return err == nil || path == fcgisup.SystemConfig
}

// Forget removes the copies of all configurations but these; an empty one is the system's.
func (a Copies) Forget(configs []string) error {
	used := map[string]bool{}
	for _, path := range configs {
		if path == "" {
			path = fcgisup.SystemConfig
		}
		used[url.PathEscape(path)] = true
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var failures []error
	for _, e := range entries {
		if !used[e.Name()] {
			failures = append(failures, os.Remove(filepath.Join(a.dir, e.Name())))
		}
	}
	return errors.Join(failures...)
}
