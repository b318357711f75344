package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pause is for how long a program that cannot start stays.
const pause = time.Second

// TestFailedRunStays: what cannot start says so at once, and under systemd, which would begin it again at once, ends a
// second later, or when it is told to.
func TestFailedRunStays(t *testing.T) {
	inTurn(t, light)
	binary, dir := fcgisupBinary(t), t.TempDir()
	broken := filepath.Join(dir, "fcgisup.yaml")
	if err := os.WriteFile(broken, []byte("apps: {a: {command: /bin/true, comand: x}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const systemd = "NOTIFY_SOCKET=/run/nobody-listens"
	for name, test := range map[string]struct {
		env  []string
		args []string
		says string
		code int
		stop bool
		stay bool
	}{
		"configuration": {[]string{systemd}, []string{"run", "--config", broken}, "comand", 2, false, true},
		"flag":          {[]string{systemd}, []string{"run", "--of-another-version"}, "of-another-version", 2, false, true},
		"socket":        {[]string{systemd}, []string{"run", "--listen", taken, "--", "/bin/true"}, "taken", 1, false, true},
		"descriptors":   {[]string{systemd, "LISTEN_FDS=many"}, []string{"run", "--", "/bin/true"}, "LISTEN_FDS", 1, false, true},
		"told to stop":  {[]string{systemd}, []string{"run", "--config", broken}, "comand", 2, true, false},
		"no systemd":    {nil, []string{"run", "--config", broken}, "comand", 2, false, false},
		"a question":    {[]string{systemd, "FCGISUP_HANDOVER=check=1"}, []string{"run", "--config", broken}, "comand", 2, false, false},
		"no supervisor": {[]string{systemd}, []string{"validate", "--config", broken}, "comand", 2, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stays := func() time.Duration {
				cmd := exec.Command(binary, test.args...)
				cmd.Env = append(os.Environ(), test.env...)
				return stayed(t, cmd, test.says, test.code, test.stop)
			}
			took := stays()
			for n := 0; took > pause*4/5 && !test.stay && n < 3; n++ { // the machine may have been busy
				took = stays()
			}
			if took > pause*4/5 != test.stay {
				t.Errorf("it stayed for %v after its message", took)
			}
		})
	}
}

// stayed is how long a command goes on after its first word, which must say something; stop tells it to stop.
func stayed(t *testing.T, cmd *exec.Cmd, says string, code int, stop bool) time.Duration {
	t.Helper()
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(errs)
	said, err := out.ReadString('\n')
	if err != nil {
		t.Error(err)
	}
	told := time.Now()
	if stop {
		time.Sleep(100 * time.Millisecond)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	rest, _ := io.ReadAll(out) // ends with the process
	took := time.Since(told)
	_ = cmd.Wait() // its exit code is looked at
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(said, says) {
		t.Errorf("exit code %d after %q, want %d after what has %q", got, said+string(rest), code, says)
	}
	return took
}

// unstarted: a supervisor that cannot start is begun again about once a second, and the socket stays.
func (b *box) unstarted(t *testing.T) {
	config := frailConfig + strings.ReplaceAll(lateConfig, "late", "typo")
	b.copyFrom(t, appPath(t, "hello.pl"), "/opt/apps/typo.sh", 0o755)
	b.deploy(t, config, "typo")
	b.write(t, "/etc/fcgisup/fcgisup.yaml", strings.Replace(config, "user:", "usr:", 1), 0o644)
	answer := make(chan error, 1)
	begin := time.Now()
	go func() { answer <- b.throughNginx("typo", "/")() }()
	n := 0
	within(t, 30*time.Second, func() error {
		if n = b.number(t, service("typo", 1), "NRestarts"); n < 3 {
			return fmt.Errorf("begun again %d times", n)
		}
		return nil
	})
	if took := time.Since(begin); n > int(took.Seconds())+1 { // seven times as often without the pause
		t.Errorf("begun again %d times in %v", n, took)
	}
	if log := b.journal(service("typo", 1)); !strings.Contains(log, `usr`) {
		t.Errorf("the log does not say why:\n%s", log)
	}
	b.configure(t, config)
	begin = time.Now()
	if err := <-answer; err != nil {
		t.Error(err)
	}
	t.Logf("answered %v after it was fixed", time.Since(begin).Round(time.Millisecond))
	b.socketNeverFailed(t, "typo")

	pid := b.property(t, service("typo", 1), "MainPID")
	begin = time.Now()
	b.run(t, "kill", "-KILL", pid)
	within(t, 20*time.Second, func() error {
		if now := b.property(t, service("typo", 1), "MainPID"); now == pid || now == "0" {
			return fmt.Errorf("main pid %s", now)
		}
		return nil
	})
	if _, err := b.ask("/run/typo.sock"); err != nil {
		t.Error(err)
	}
	t.Logf("answered %v after the supervisor was killed", time.Since(begin).Round(time.Millisecond))
}
