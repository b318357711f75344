package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// folderVariable and workerVariable tell a supervisor in another process where
// its socket is to be, and the role of its workers.
const (
	folderVariable = "FCGISUP_TEST_FOLDER"
	workerVariable = "FCGISUP_TEST_WORKER"
)

// another is a supervisor outside of a test's process.
func another() (*Supervisor, error) {
	app := roleApp(os.Getenv(workerVariable), os.Getenv(folderVariable))
	in := app.Instance(1)
	s, err := listen.On(in, app.Socket)
	if err != nil {
		return nil, err
	}
	return New(Options{
		App: app, Sockets: map[fcgisup.Instance]*listen.Socket{in: s}, Spawner: worker.NewSpawner(), Environ: os.Environ(),
		Probe: func(context.Context, fcgisup.App, fcgisup.Instance) control.ProbeResult {
			return control.ProbeResult{Err: errors.New("no FastCGI here"), Class: "protocol"}
		},
		Unavailable: func(context.Context, net.Conn, time.Duration) error { return nil },
		Output:      func(fcgisup.Instance, string) {},
		Log:         slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
}

// playSupervisor runs until it is killed.
func playSupervisor() int {
	sup, err := another()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("listening")
	if sup.Run(context.Background()) != nil {
		return 1
	}
	return 0
}

// inAnotherProcess starts the test binary as a supervisor of workers with a role;
// it comes back when the socket is there.
func inAnotherProcess(t *testing.T, role, worker string, attr *syscall.SysProcAttr) (*exec.Cmd, fcgisup.Address, *bufio.Reader) {
	t.Helper()
	dir := t.TempDir()
	cmd := inRole(role, workerVariable+"="+worker, folderVariable+"="+dir, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = attr
	stderr := &journal{}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(stderr)
		}
	})
	in := bufio.NewReader(out)
	if line, err := in.ReadString('\n'); line != "listening\n" {
		t.Fatalf("%q, %v: %s", line, err, stderr)
	}
	return cmd, fcgisup.Address{Network: "unix", Addr: filepath.Join(dir, "1.sock")}, in
}

func TestWorkerDiesWithAKilledSupervisor(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprintf("stopped=%t", stopped), func(t *testing.T) {
			cmd, address, _ := inAnotherProcess(t, "supervisor", "serve", nil)
			r, err := request(address, "hello")
			if err != nil {
				t.Fatal(err)
			}
			if stopped { // as the gate has it for a moment
				if err := syscall.Kill(-r.pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the worker is stopped", func() bool { return processState(r.pid) == "T" })
			}
			kill9(t, cmd.Process.Pid)
			gone(t, r.pid)
		})
	}
}

// The gate stops and continues all the time while a worker is busy; whichever
// moment the supervisor's death meets, the worker dies too.
func TestWorkerDiesWithASupervisorThatIsKilledAtTheGate(t *testing.T) {
	for n := range 5 {
		cmd, address, _ := inAnotherProcess(t, "at-the-gate", "serve", nil)
		r, err := request(address, "hello")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial(address.Network, address.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "hold\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, len(holding))); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil { // Run ends, the gate begins
			t.Fatal(err)
		}
		if n%2 == 0 {
			eventually(t, "the gate has the worker stopped", func() bool { return processState(r.pid) == "T" })
		}
		kill9(t, cmd.Process.Pid)
		gone(t, r.pid)
	}
}

// playAtTheGate is a supervisor whose Run ends at SIGUSR1.
func playAtTheGate() int {
	sup, err := another()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := notifyContext()
	defer cancel()
	fmt.Println("listening")
	if sup.Run(ctx) != nil {
		return 1
	}
	return 0
}

func TestPID1ReapsOrphansAndSupervises(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a PID namespace")
	}
	cmd, address, in := inAnotherProcess(t, "init", "serve", &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	})
	first, err := request(address, "orphans")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := request(address, "crash"); err == nil {
		t.Fatal("a crash was answered")
	}
	second, err := request(address, "hello")
	if err != nil || second.pid == first.pid || first.pid < 2 {
		t.Errorf("answered by %d, then by %d: %v", first.pid, second.pid, err)
	}
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(in)
	if got := strings.TrimSpace(string(rest)); got != "none is left" {
		t.Errorf("PID 1 said %q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// playInit is a supervisor as PID 1 of its own namespace, which tells in the end
// which processes are left.
func playInit() int {
	err := errors.Join(
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""))
	if err != nil || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, os.Getpid(), err)
		return 1
	}
	if code := playAtTheGate(); code != 0 {
		return code
	}
	var left []string
	for end := time.Now().Add(waitLimit / 2); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = processes(); len(left) == 0 {
			fmt.Println("none is left")
			return 0
		}
	}
	fmt.Println(left)
	return 0
}

// processes are all but PID 1, with their states: zombies too.
func processes() []string {
	entries, _ := os.ReadDir("/proc")
	var list []string
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != 1 {
			list = append(list, e.Name()+" "+processState(pid))
		}
	}
	return list
}
