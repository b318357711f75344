package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

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

// stateLock is the lock of the monitor's directory.
const stateLock = "monitor.lock"

// lockState makes the directory of the history, and lets one monitor use it.
func lockState(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, term.Hinted(fmt.Errorf("cannot make the monitor's directory: %w", err), "--state-dir names another")
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
