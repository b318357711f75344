package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// usualBinary is where distributions install nginx, which is in no user's PATH.
const usualBinary = "/usr/sbin/nginx"

// Binary finds nginx; false says that it is not installed.
func Binary() (string, bool) {
	for _, name := range []string{"nginx", usualBinary} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// commandTimeout bounds nginx's own commands: a test resolves every host name that the configuration holds.
const commandTimeout = time.Minute

// Test has nginx check the configuration as it is on disk, nginx(8) "-t". The
// error is what nginx complained of, in one line.
func Test(ctx context.Context, binary string) error {
	if out, err := command(ctx, binary, "-q", "-t"); err != nil {
		return fmt.Errorf("nginx refuses the configuration: %w", complaint(out, err))
	}
	return nil
}

// Signal has the running nginx reload, nginx(8) "-s reload". It returns before
// that has happened, and does not tell whether nginx took the configuration.
func Signal(ctx context.Context, binary string) error {
	if out, err := command(ctx, binary, "-s", "reload"); err != nil {
		return fmt.Errorf("cannot reload nginx: %w", complaint(out, err))
	}
	return nil
}

func command(ctx context.Context, binary string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out.Bytes(), err
}

// severe is what nginx writes on its way to standard error, or to a log that is standard error.
var severe = pattern(`^(?:nginx: |[0-9/]+ [0-9:]+ )(\[(?:emerg|alert|crit|error)\]) (?:[0-9]+#[0-9]+: )?(.*)$`)

// complaint is the first line that says why, in nginx's words; warnings come before it.
func complaint(out []byte, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	last := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if m := severe().FindStringSubmatch(line); m != nil {
			return errors.New(m[1] + " " + m[2])
		}
		if line != "" {
			last = strings.TrimPrefix(line, "nginx: ")
		}
	}
	if last == "" {
		return err
	}
	return errors.New(last)
}
