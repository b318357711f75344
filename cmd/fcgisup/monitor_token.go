package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/lockfile"
)

// secret is the token that callers present, "" if none is asked for.
type secret struct {
	mu    sync.Mutex // what follows
	token string
	valid context.Context
	end   context.CancelFunc
}

// set ends what was let in by another token.
func (s *secret) set(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		if s.token == token {
			return
		}
		s.end()
	}
	s.token = token
	s.valid, s.end = context.WithCancel(context.Background())
}

// get is the token once it is set, and a context that ends when another is.
func (s *secret) get() (token string, valid context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.valid
}

const (
	shortestToken = 16
	longestToken  = 4096
)

// readToken reads the file's only line. An error never quotes it.
func readToken(path string) (string, error) {
	hint := "openssl rand -hex 32 >" + path + "; chmod 600 " + path
	token, err := tokenOf(path)
	if err != nil {
		return "", &term.ExitError{Code: term.ExitUsage, Hint: hint, Cause: fmt.Errorf("cannot use the token file %s: %w", path, err)}
	}
	return token, nil
}

func tokenOf(path string) (string, error) {
	// A pipe that nobody writes to must not hold us up: it is empty.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", errors.Unwrap(err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("everybody may use it, its mode is %04o", info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, longestToken+1))
	if err != nil {
		return "", errors.Unwrap(err)
	}
	token := strings.TrimSpace(string(data))
	switch {
	case len(token) < shortestToken:
		return "", fmt.Errorf("the token has %d characters, it takes at least %d", len(token), shortestToken)
	case len(data) > longestToken, strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("it does not hold one line of printable ASCII")
	}
	return token, nil
}

// stateLock is the lock of the monitor's directory.
const stateLock = "monitor.lock"

// lockState makes the directory of the history, and lets one monitor use it.
func lockState(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, term.Hinted(fmt.Errorf("cannot make the monitor's folder: %w", err), "--state-dir names another")
	}
	lock, err := lockfile.Try(filepath.Join(dir, stateLock), "fcgisup monitor")
	var held *lockfile.HeldError
	switch {
	case errors.As(err, &held):
		return nil, term.Hinted(fmt.Errorf("cannot lock %s: another monitor uses it: %w", dir, err), "systemctl status fcgisup-monitor shows the service; --state-dir names another directory")
	case err != nil:
		return nil, term.Hinted(fmt.Errorf("cannot lock %s: %w", dir, err), "--state-dir names another directory")
	}
	return lock.Release, nil
}
