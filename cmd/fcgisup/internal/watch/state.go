package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/lockfile"
)

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
