package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// applyLock is held while a host is changed.
const applyLock = "/run/fcgisup/apply.lock"

// lockApply takes the lock, or says who has it. The file stays, so that two
// never lock two files of the same name.
func lockApply(path string, getenv func(string) string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = errors.Join(err, f.Close())
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, hinted(fmt.Errorf("%s is at work", holder(path)), "wait for it to end; the lock is "+path)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	// Who reads a half of this reads of another apply, which is true.
	err = errors.Join(f.Truncate(0), write(f, fmt.Sprintf("%d %s\n", os.Getpid(), whoever(getenv))))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // the kernel unlocks whatever close says
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// holder reads who has the lock; one that has it since a moment ago may not have
// written that yet.
func holder(path string) string {
	for range 20 {
		text, _ := os.ReadFile(path)
		if who, ok := heldBy(string(text)); ok {
			return who
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "another apply"
}

func heldBy(text string) (who string, ok bool) {
	pid, name, ok := strings.Cut(strings.TrimSpace(text), " ")
	if _, err := strconv.Atoi(pid); !ok || err != nil {
		return "", false
	}
	return fmt.Sprintf("another apply (pid %s, user %s)", pid, name), true
}

// whoever is the user, and behind sudo the person.
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
