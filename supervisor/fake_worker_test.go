package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// roleVariable makes the test binary a supervisor instead of testing, and tells a worker what to be.
	roleVariable = "FCGISUP_TEST_ROLE"
	// markVariable names a file that some roles look for or make.
	markVariable = "FCGISUP_TEST_MARK"
	// numberVariable is how many requests crash-after-n serves.
	numberVariable = "FCGISUP_TEST_NUMBER"
	// programVariable is where testdata/worker was built.
	programVariable = "FCGISUP_TEST_PROGRAM"
)

// roleLifetime ends a role that a broken test has left behind.
const roleLifetime = 3 * time.Minute

// holding is the beginning of an answer that never ends.
const holding = "holding"

func TestMain(m *testing.M) {
	name := os.Getenv(roleVariable)
	if name == "" {
		code := m.Run()
		_ = os.RemoveAll(workerDir)
		os.Exit(code)
	}
	time.AfterFunc(roleLifetime, func() { os.Exit(99) })
	runtime.LockOSThread()
	role, ok := roles()[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such role:", name)
		os.Exit(98)
	}
	os.Exit(role())
}

// workerPath is the program of all workers. It is built without the race detector, which would make each start cost a fifth
// of a second, and left in the environment for those of our processes that are supervisors.
func workerPath() string {
	if path := os.Getenv(programVariable); path != "" {
		return path
	}
	return builtWorker()
}

var (
	builtWorker = sync.OnceValue(func() string {
		dir, err := os.MkdirTemp("", "fcgisup-worker")
		if err != nil {
			panic(err)
		}
		workerDir = dir
		path := filepath.Join(dir, "worker")
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./testdata/worker")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		// Some tests have workers of other users.
		if err = errors.Join(err, os.Chmod(dir, 0o755), os.Setenv(programVariable, path)); err != nil {
			panic(fmt.Sprintf("cannot build testdata/worker: %v\n%s", err, out))
		}
		return path
	})
	workerDir string
)

// inRole is this binary in a role, with more variables.
func inRole(role string, environment ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role, programVariable+"="+workerPath())
	cmd.Env = append(cmd.Env, environment...)
	return cmd
}

// roles are what the test binary can play besides; each returns its exit status.
func roles() map[string]func() int {
	return map[string]func() int{
		"supervisor":  playSupervisor,
		"at-the-gate": playAtTheGate,
		"init":        playInit,
		"launch":      playLaunch,
		"watch":       playWatch,
	}
}

// complain says that a role cannot be played.
func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	state := processState(pid)
	return state != "" && state != "Z" && state != "X"
}

// processState is the letter of proc(5), empty without such a process.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[0]
}

// notifyContext ends at SIGUSR1.
func notifyContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGUSR1)
}
