package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/lockfile"
)

// applyLock is held while a host is changed.
const applyLock = "/run/fcgisup/apply.lock"

// lockApply takes the lock, or says who has it.
func lockApply(path string, getenv func(string) string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	lock, err := lockfile.Try(path, "user "+whoever(getenv))
	var held *lockfile.HeldError
	switch {
	case errors.As(err, &held):
		return nil, term.Hinted(errors.New(otherApply(held)+" is at work"), "wait for it to end; the lock is "+path)
	case err != nil:
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return lock.Release, nil
}

func otherApply(held *lockfile.HeldError) string {
	if held.PID == 0 {
		return "another apply"
	}
	return fmt.Sprintf("another apply (pid %d, %s)", held.PID, held.Note)
}

// the user, and behind sudo the person.
func whoever(getenv func(string) string) string {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if person := getenv("SUDO_USER"); person != "" && person != name {
		return name + " for " + strings.Join(strings.Fields(person), " ")
	}
	return name
}
