package e2e

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is one of the six kinds of FastCGI program that promise 5 names.
type program struct {
	name    string
	needs   []string
	command func(t *testing.T) []string
	params  func(t *testing.T) map[string]string // what its kind needs in a request
}

func script(name string) func(t *testing.T) map[string]string {
	return func(t *testing.T) map[string]string { return map[string]string{"SCRIPT_FILENAME": appPath(t, name)} }
}

func programs() []program {
	none := func(*testing.T) map[string]string { return nil }
	return []program{
		{"perl", []string{"/usr/bin/perl"}, func(t *testing.T) []string { return []string{appPath(t, "hello.pl")} }, none},
		{"c", []string{"/usr/bin/cc"}, func(t *testing.T) []string { return []string{compiledC(t)} }, none},
		{"php", []string{"/usr/bin/php-cgi"}, func(*testing.T) []string { return []string{"/usr/bin/php-cgi"} }, script("hello.php")},
		{"python", []string{"/usr/bin/python3"}, func(t *testing.T) []string { return []string{appPath(t, "hello.py")} }, none},
		{"go", nil, func(t *testing.T) []string { return []string{compiledGo(t)} }, none},
		{"fcgiwrap", []string{"/usr/sbin/fcgiwrap"}, func(*testing.T) []string { return []string{"/usr/sbin/fcgiwrap"} }, script("hello.cgi")},
	}
}

// TestPrograms: activated by its first request, answers, killed, back, stopped, for each kind of program, without
// systemd and without root.
func TestPrograms(t *testing.T) {
	inTurn(t, light)
	binary := fcgisupBinary(t)
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			needFiles(t, p.needs...)
			s := newSupervised(t)
			s.start(t, binary, p.name, p.command(t))
			s.listening(t)
			p.live(t, s, p.params(t))
		})
	}
}

func TestProgramOverTCP(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newSupervised(t)
	s.network, s.address = "tcp", free.Addr().String()
	free.Close()
	s.start(t, fcgisupBinary(t), "tcp", []string{appPath(t, "hello.pl")})
	within(t, 20*time.Second, func() error {
		s.alive(t)
		_, err := fcgiAsk(s.network, s.address, "/", nil, nil)
		return err
	})
	s.stop(t, s.hello(t, nil))
	if conn, err := net.Dial(s.network, s.address); err == nil {
		conn.Close()
		t.Errorf("%s still listens after the end", s.address)
	}
}

func (p program) live(t *testing.T, s *supervised, params map[string]string) {
	if children := s.children(); children != "" {
		t.Fatalf("children %s before the first connection", children)
	}
	first := s.hello(t, params)

	body := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	want := fmt.Sprintf("length %d\nsha1 %x\n", len(body), sha1.Sum(body))
	if page, err := fcgiAsk(s.network, s.address, "/echo", body, params); err != nil || !strings.Contains(page, want) {
		t.Errorf("/echo = %.200q, %v; want %q\n%s", page, err, want, s.log())
	}

	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Until it is gone it may still take a connection with it.
	within(t, 20*time.Second, func() error {
		if syscall.Kill(first, 0) == nil {
			return fmt.Errorf("worker %d is not gone", first)
		}
		return nil
	})
	second := s.hello(t, params)
	if second == first {
		t.Errorf("pid %d answers after it was killed", second)
	}
	s.stop(t, second)
}

// TestSupervisorDies: without systemd nothing would end the worker of a supervisor killed with SIGKILL, or
// remove its socket file; the worker has to go by itself, and the next supervisor to replace the file.
func TestSupervisorDies(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	binary, command := fcgisupBinary(t), []string{appPath(t, "hello.pl")}
	s := newSupervised(t)
	s.start(t, binary, "dies", command)
	s.listening(t)
	worker := s.hello(t, nil)
	if err := s.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() error {
		if !dead(worker) {
			return fmt.Errorf("worker %d outlives its supervisor", worker)
		}
		return nil
	})
	<-s.ended
	next := newSupervised(t)
	next.address = s.address
	next.start(t, binary, "dies", command)
	within(t, 20*time.Second, func() error {
		next.alive(t)
		_, err := fcgiAsk(next.network, next.address, "/", nil, nil)
		return err
	})
	next.stop(t, next.hello(t, nil))
}

// supervised is a running `fcgisup run --listen`.
type supervised struct {
	dir, binary      string
	network, address string
	control          string
	command          *exec.Cmd
	mu               sync.Mutex
	stderr           bytes.Buffer
	ended            chan struct{}
	err              error // how it ended, once ended is closed
}

// Write collects what the supervisor and its worker say.
func (s *supervised) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.Write(p)
}

func (s *supervised) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "supervisor's stderr:\n" + s.stderr.String()
}

func newSupervised(t *testing.T) *supervised {
	t.Helper()
	// Not t.TempDir: its paths can be longer than a socket's may be.
	dir, err := os.MkdirTemp("", "fcgisup-run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &supervised{
		dir: dir, network: "unix", address: filepath.Join(dir, "a.sock"),
		control: filepath.Join(dir, "control.sock"), ended: make(chan struct{}),
	}
}

func (s *supervised) start(t *testing.T, binary, app string, command []string) {
	t.Helper()
	args := []string{"run", "--app", app, "--listen", s.address, "--control", s.control, "--"}
	s.launch(t, binary, append(args, command...)...)
}

// launch runs a command line of fcgisup in the test's directory until the test ends.
func (s *supervised) launch(t *testing.T, binary string, args ...string) {
	t.Helper()
	s.command = exec.Command(binary, args...)
	s.command.Dir = s.dir
	s.command.Stderr = s
	s.command.WaitDelay = 5 * time.Second
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.command.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		// What workers have forked would outlive a supervisor that is killed.
		_ = s.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(15 * time.Second):
			_ = s.command.Process.Kill()
			<-s.ended
		}
	})
}

// alive fails the test when the supervisor has ended.
func (s *supervised) alive(t *testing.T) {
	t.Helper()
	select {
	case <-s.ended:
		t.Fatalf("ended: %v\n%s", s.err, s.log())
	default:
	}
}

// listening waits for the unix socket without connecting, which would activate. Its file is there before it listens, and
// refuses until then. The process's first thread, of which /proc/net is, may be in the network of another test.
func (s *supervised) listening(t *testing.T) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		s.alive(t)
		sockets, err := os.ReadFile("/proc/thread-self/net/unix")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(sockets)) {
			// Num RefCount Protocol Flags Type St Inode Path; __SO_ACCEPTCON is the flag of those that listen.
			if f := strings.Fields(line); len(f) == 8 && f[7] == s.address && f[3] == "00010000" {
				return nil
			}
		}
		return fmt.Errorf("no socket listens at %s", s.address)
	})
}

func (s *supervised) children() string {
	var all []string
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.command.Process.Pid))
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		all = append(all, strings.Fields(string(children))...)
	}
	return strings.Join(all, " ")
}

// hello asks once: nothing that fcgisup supervises may refuse or cut it.
func (s *supervised) hello(t *testing.T, params map[string]string) int {
	t.Helper()
	page, err := fcgiAsk(s.network, s.address, "/", nil, params)
	if err != nil || !strings.Contains(page, "\nhello\n") {
		t.Fatalf("answer %q, %v\n%s", page, err, s.log())
	}
	pid, err := workerPID(page)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func (s *supervised) stop(t *testing.T, worker int) {
	t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
		if s.err != nil {
			t.Errorf("after SIGTERM: %v\n%s", s.err, s.log())
		}
	case <-time.After(waitLimit):
		t.Fatalf("still there %v after SIGTERM\n%s", waitLimit, s.log())
	}
	if !dead(worker) {
		t.Errorf("worker %d outlives the supervisor", worker)
	}
	for _, path := range []string{s.address, s.control} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind (%v)", path, err)
		}
	}
}

// dead reports whether a process runs no more; an orphan may stay a zombie for as long as this machine's init likes.
func dead(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
}
