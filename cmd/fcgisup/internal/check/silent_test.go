package check

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// checkLine is what "fcgisup check" prints, and its exit code.
func checkLine(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	env := &term.Env{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }}
	k := New(env)
	flags := pflag.NewFlagSet("check", pflag.ContinueOnError)
	flags.StringVar(&env.Config, "config", "", "")
	k.Define(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	err := k.Run(t.Context(), flags.Args(), flags.Changed)
	code := ExitCode(env.Report(err), err)
	return out.String(), code
}

// spy listens, accepts and keeps what it is sent.
type spy struct {
	path string
	got  chan []byte
}

func newSpy(t *testing.T) *spy {
	t.Helper()
	s := &spy{path: filepath.Join(t.TempDir(), "s.sock"), got: make(chan []byte, 10)}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 100)
			n, _ := conn.Read(b)
			s.got <- b[:n]
			_ = conn.Close()
		}
	}()
	return s
}

// rawSocket is bound to a path, and listens if asked to; no process accepts on it.
func rawSocket(t *testing.T, listens bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "raw.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if listens {
		if err := syscall.Listen(fd, 10); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// TestCheckWithoutAPathSendsNothing to programs that are not known to answer pings: some die of one.
func TestCheckWithoutAPathSendsNothing(t *testing.T) {
	t.Parallel()
	s := newSpy(t)
	good := func(text string, code int) bool {
		return code == nagiosOK && strings.Contains(text, "answer a ping") && strings.Contains(text, "use --path")
	}
	text, code := checkLine(t, s.path)
	for end := time.Now().Add(20 * time.Second); !good(text, code) && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, code = checkLine(t, s.path) // its thread may not wait in accept yet
	}
	if !good(text, code) {
		t.Errorf("exit %d, %s", code, text)
	}
	select {
	case b := <-s.got:
		t.Errorf("it was sent %q", b)
	case <-time.After(50 * time.Millisecond):
	}
	if text, code := checkLine(t, rawSocket(t, true)); code != NagiosUnknown || !strings.Contains(text, "does not accept") && !strings.Contains(text, "it is unknown") {
		t.Errorf("no process accepts: exit %d, %s", code, text)
	}
	if text, code := checkLine(t, filepath.Join(t.TempDir(), "none.sock")); code != nagiosCritical || !strings.Contains(text, "missing") {
		t.Errorf("no socket: exit %d, %s", code, text)
	}
	if text, code := checkLine(t, rawSocket(t, false)); code != nagiosCritical || !strings.Contains(text, "refused") {
		t.Errorf("no process listens: exit %d, %s", code, text)
	}
}
