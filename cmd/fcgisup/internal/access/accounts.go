package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
)

// UserExists reports whether the user database has a user of this name. No name, and a number, need no entry.
func UserExists(name string) bool {
	_, err := fcgisup.LookupUser(name)
	return name == "" || err == nil || inDirectory("passwd", name)
}

// GroupExists is UserExists for a group.
func GroupExists(name string) bool {
	_, err := fcgisup.LookupGroup(name)
	return name == "" || err == nil || inDirectory("group", name)
}

// inDirectory asks the C library for an account that is not in a file but in a
// directory such as LDAP, nsswitch.conf(5): systemd knows those too. One that
// does not answer leaves it open, and there is nothing to report.
func inDirectory(database, name string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), directoryTimeout)
	defer cancel()
	err := exec.CommandContext(ctx, "getent", "--", database, name).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode() != notInDirectory
	}
	return err == nil
}

const (
	directoryTimeout = 10 * time.Second
	// notInDirectory is getent(1)'s exit code for a name that it does not know.
	notInDirectory = 2
)

// SocketMode is who owns a socket file, and who may connect to it.
type SocketMode struct {
	UID, GID    int
	User, Group string
	Mode        fs.FileMode
}

// Admits reports whether these credentials may connect to the socket.
func (s SocketMode) Admits(who Credentials) bool { return who.MayConnect(s.UID, s.GID, s.Mode) }

func (s SocketMode) String() string { return fmt.Sprintf("%04o %s:%s", s.Mode, s.User, s.Group) }

// CredentialsOf are those of a process: the effective ones of /proc/PID/status, proc(5).
func CredentialsOf(pid int) (Credentials, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{UID: -1, GID: -1}
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
			c.Groups = numbers
		case len(numbers) < 2:
		case name == "Uid":
			c.UID = numbers[1]
		case name == "Gid":
			c.GID = numbers[1]
		}
	}
	if c.UID < 0 || c.GID < 0 {
		return c, fmt.Errorf("cannot read whom process %d runs as", pid)
	}
	return c, nil
}
