package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Host is where peers run. Its directory holds sockets and configurations and goes with Close.
type Host struct {
	Dir     string // absolute, and short: socket paths have 107 bytes
	Systemd bool   // peers are its units; else processes of ours
	Fcgisup string // the binary
	User    string // of programs; "": ours
}

// NewHost makes the directory. With systemd all programs run as www-data.
func NewHost(dir string, systemd bool, fcgisup string) (*Host, error) {
	h := &Host{Dir: dir, Systemd: systemd, Fcgisup: fcgisup}
	if systemd {
		h.User = "www-data"
	} else if err := becomeReaper(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// Some peers bind as the program's user.
	return h, os.Chmod(dir, 0o777)
}

// Close ends what still runs of the host's and removes its directory.
func (h *Host) Close() error {
	var errs []error
	if !h.Systemd {
		errs = append(errs, endDescendants())
	}
	return errors.Join(append(errs, os.RemoveAll(h.Dir))...)
}

// missing names the first file that a package should have brought.
func (h *Host) missing(files ...string) string {
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return fmt.Sprintf("%s is not installed: testdata/bench/install installs it", filepath.Base(file))
		}
	}
	return ""
}

// path is a file of the spec in the host's directory.
func (h *Host) path(s Spec, suffix string) string { return filepath.Join(h.Dir, s.Name+suffix) }

func (h *Host) write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("cannot write a peer's configuration: %w", err)
	}
	return nil
}

// run runs a command to its end; what it said is in the error.
func run(ctx context.Context, argv ...string) error {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %.2000s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// freePort is a port that was free a moment ago.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// backlog is the flag or directive with the spec's backlog, or nothing.
func (s Spec) backlog(format string) string {
	if s.Backlog == 0 {
		return ""
	}
	return fmt.Sprintf(format, s.Backlog)
}

// environment is the program's in the form KEY=VALUE.
func (s Spec) environment() []string {
	var env []string
	for key, value := range s.Program.Env {
		env = append(env, key+"="+value)
	}
	return env
}

func number(n int) string { return strconv.Itoa(n) }
