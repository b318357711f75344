package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

func userExists(name string) bool {
	_, err := user.Lookup(name)
	return err == nil || inDirectory("passwd", name)
}

func groupExists(name string) bool {
	_, err := user.LookupGroup(name)
	return err == nil || inDirectory("group", name)
}

// inDirectory asks the C library for an account that is in no file but in a
// directory such as LDAP, nsswitch.conf(5): systemd knows those too. One that
// does not answer leaves it open, which is no finding.
func inDirectory(database, name string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), directoryPatience)
	defer cancel()
	err := exec.CommandContext(ctx, "getent", "--", database, name).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode() != notInDirectory
	}
	return err == nil
}

const (
	directoryPatience = 10 * time.Second
	// notInDirectory is getent(1)'s exit code for a name that it does not know.
	notInDirectory = 2
)

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// socketMode is who owns a socket file, and who may connect to it.
type socketMode struct {
	uid, gid    int
	user, group string
	mode        fs.FileMode
}

// admits says whether connect(2) finds write permission, unix(7).
func (s socketMode) admits(who credentials) bool {
	switch {
	case who.uid == 0:
		return true
	case who.uid == s.uid:
		return s.mode&0o200 != 0
	case who.gid == s.gid || slices.Contains(who.groups, s.gid):
		return s.mode&0o020 != 0
	}
	return s.mode&0o002 != 0
}

func (s socketMode) String() string { return fmt.Sprintf("%04o %s:%s", s.mode, s.user, s.group) }

// credentialsOf are those of a process: the effective ones of /proc/PID/status, proc(5).
func credentialsOf(pid int) (credentials, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return credentials{}, err
	}
	c := credentials{uid: -1, gid: -1}
	for line := range bytes.Lines(data) {
		name, rest, _ := strings.Cut(string(line), ":")
		var numbers []int
		for _, word := range strings.Fields(rest) {
			if n, err := strconv.Atoi(word); err == nil {
				numbers = append(numbers, n)
			}
		}
		switch {
		case name == "Groups":
			c.groups = numbers
		case len(numbers) < 2:
		case name == "Uid":
			c.uid = numbers[1]
		case name == "Gid":
			c.gid = numbers[1]
		}
	}
	if c.uid < 0 || c.gid < 0 {
		return c, fmt.Errorf("cannot read whom process %d runs as", pid)
	}
	return c, nil
}
