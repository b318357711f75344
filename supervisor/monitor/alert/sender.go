package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup"
)

// Sender delivers messages, each by its own process.
type Sender struct {
	// Self is the argv that ends in [SendOne].
	Self []string
	// Environ is what the processes inherit, but for the variables that hold URLs.
	Environ []string
	// Timeout bounds one delivery; 0: 30 s.
	Timeout time.Duration
}

// outputCap is how much of what a process prints is kept, in bytes.
const outputCap = 4 << 10

// Deliver sends n to t, once. Its errors quote no part of a URL.
func (c Sender) Deliver(ctx context.Context, to []fcgisup.Receiver, t fcgisup.Receiver, n Notification) error {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	env := c.environment(to)
	if len(t.Exec) > 0 {
		return c.exec(ctx, t, n, env)
	}
	url, err := secretURL(t, c.getenv)
	if err != nil {
		return err
	}
	in, err := json.Marshal(sendRequest{URL: url, Title: n.Title, Text: n.Text})
	if err != nil {
		return errors.New("internal error: cannot encode a message")
	}
	printed, err := runProgram(ctx, c.Self, in, env)
	var a sendReply
	if json.Unmarshal(printed.out, &a) == nil && a.Error != "" {
		err = errors.New(newRedactor(url).clean(a.Error))
	}
	return err // without a reply: how the process ended
}

func (c Sender) exec(ctx context.Context, t fcgisup.Receiver, n Notification, env []string) error {
	in, err := json.Marshal(n)
	if err != nil {
		return errors.New("internal error: cannot encode a message")
	}
	printed, err := runProgram(ctx, t.Exec, append(in, '\n'), append(env, n.environment()...))
	if last := (redactor{}).clean(lastLine(printed.err)); err != nil && last != "" {
		err = fmt.Errorf("%w: %s", err, last)
	}
	return err
}

// environment is what a program gets besides the JSON.
func (n Notification) environment() []string {
	names := make([]string, len(n.Apps))
	for i, a := range n.Apps {
		names[i] = a.App
	}
	return []string{
		"FCGISUP_EVENT=" + string(n.Event),
		"FCGISUP_ID=" + n.ID,
		"FCGISUP_HOST=" + n.Host,
		"FCGISUP_APPS=" + strings.Join(names, " "),
		"FCGISUP_TITLE=" + n.Title,
		"FCGISUP_TEXT=" + n.Text,
	}
}

// environment removes the variables that hold the URLs of receivers.
func (c Sender) environment(to []fcgisup.Receiver) []string {
	return slices.DeleteFunc(slices.Clone(c.Environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return fcgisup.ManagerVariable(name) || slices.ContainsFunc(to, func(t fcgisup.Receiver) bool { return t.URLEnv == name })
	})
}

func (c Sender) getenv(name string) string {
	for _, pair := range c.Environ {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	return ""
}

// output is the end of what a process printed.
type output struct{ out, err []byte }

// outputWait is how long processes that it left behind may hold its output open.
const outputWait = 2 * time.Second

// runProgram runs a program in its own process group, which ends with ctx, or
// with us: the signal comes when the thread that forked ends, so the thread is kept.
func runProgram(ctx context.Context, argv []string, in []byte, env []string) (output, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out, err capped
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputWait
	failed := cmd.Run()
	if errors.Is(failed, exec.ErrWaitDelay) {
		// It has ended well, but not all of its group: that still holds the output.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		failed = nil
	}
	return output{out.bytes(), err.bytes()}, exitReason(ctx, failed)
}

// exitReason returns how a process ended, without its argv.
func exitReason(ctx context.Context, err error) error {
	var (
		exit *exec.ExitError
		path *os.PathError
	)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("timed out and was killed")
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", ctx.Err())
	case errors.As(err, &exit):
		return errors.New(exit.String())
	case errors.As(err, &path):
		return fmt.Errorf("cannot run %s: %w", path.Path, path.Err)
	}
	return err
}

// capped keeps the end of what is written.
type capped struct{ kept []byte }

func (c *capped) Write(p []byte) (int, error) {
	c.kept = append(c.kept, p[max(0, len(p)-outputCap):]...)
	if over := len(c.kept) - outputCap; over > 0 {
		c.kept = append(c.kept[:0], c.kept[over:]...)
	}
	return len(p), nil
}

func (c *capped) bytes() []byte { return c.kept }

func lastLine(text []byte) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}
