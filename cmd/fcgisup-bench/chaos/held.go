package chaos

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// held tells which connections of these sockets the processes have accepted, by
// the marks of their other ends. It asks ss(8), which is not part of this program.
func held(ctx context.Context, targets []target, pids []int) ([]string, error) {
	sockets := map[string]bool{}
	for _, pid := range pids {
		fds, err := descriptors(pid)
		if err != nil {
			continue // gone: it holds nothing
		}
		for _, name := range fds {
			if ino, ok := strings.CutPrefix(name, "socket:["); ok {
				sockets[strings.TrimSuffix(ino, "]")] = true
			}
		}
	}
	var marks []string
	for _, t := range targets {
		accepted, err := acceptedOf(ctx, t)
		if err != nil {
			return nil, err
		}
		for ino, mark := range accepted {
			if sockets[ino] {
				marks = append(marks, mark)
			}
		}
	}
	slices.Sort(marks)
	return marks, nil
}

// acceptedOf maps the inodes of a listener's accepted sockets to the marks of their peers.
func acceptedOf(ctx context.Context, t target) (map[string]string, error) {
	argv := []string{"-xHn", "src", t.address}
	if t.network == "tcp" {
		argv = []string{"-tHne", "state", "established", "src", t.address}
	}
	out, err := exec.CommandContext(ctx, "ss", argv...).Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the connections of %s: %w", t.address, err)
	}
	if t.network == "tcp" {
		return parseTCP(string(out)), nil
	}
	return parseUnix(string(out), t.address), nil
}

// parseUnix reads lines of "u_str ESTAB 0 0 /path INODE * PEER".
func parseUnix(out, path string) map[string]string {
	accepted := map[string]string{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) >= 8 && f[1] == "ESTAB" && f[4] == path && f[5] != "0" {
			accepted[f[5]] = f[7]
		}
	}
	return accepted
}

// parseTCP reads lines of "0 0 LOCAL PEER … ino:INODE …".
func parseTCP(out string) map[string]string {
	accepted := map[string]string{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		for _, word := range f[4:] {
			if ino, ok := strings.CutPrefix(word, "ino:"); ok && ino != "0" {
				accepted[ino] = f[3]
			}
		}
	}
	return accepted
}
