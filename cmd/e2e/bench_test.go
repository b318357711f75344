package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The bounds of the main job, each as a benchmark that reports how much of the bound is used ("of-bound", at most 1)
// or a ratio to what is compared. make bounds runs each once; docs/bounds.md keeps what came out.
const (
	boundGen  = 100 * time.Millisecond // gen of 1,000 instances
	boundExec = 15 * time.Millisecond  // from our exec to the worker's, beyond the worker's own
	boundRSS  = 12 << 20               // bytes of an idle supervisor
	boundRate = 0.98                   // requests per second, of those under spawn-fcgi and multiwatch
)

// BenchmarkGen is the whole process, from exec to exit: 1,000 unix sockets are one template, 1,000 ports are 1,000
// drop-ins.
func BenchmarkGen(b *testing.B) {
	binary := releaseBinary(b)
	for _, test := range []struct{ name, listen string }{{"unix", "/run/app%i.sock"}, {"tcp", "127.0.0.1:20001"}} {
		b.Run(test.name, func(b *testing.B) {
			dir := b.TempDir()
			config := writeConfig(b, dir, "instances: 1000\n    listen: "+test.listen)
			var took []time.Duration
			for range 20 * b.N {
				cmd := exec.Command(binary, "gen", "--config", config)
				begin := time.Now()
				out, err := cmd.Output()
				took = append(took, time.Since(begin))
				if err != nil || bytes.Count(out, []byte("max_fails=0;")) != 1000 {
					b.Fatalf("gen: %v, %d bytes", err, len(out))
				}
			}
			reportDuration(b, quantile(took, 0.5), "ms/gen")
			b.ReportMetric(float64(quantile(took, 0.5))/float64(boundGen), "of-bound")
		})
	}
}

// BenchmarkExec compares the time from exec to a program's first statement, started by us and through run, in pairs.
func BenchmarkExec(b *testing.B) {
	needTools(b, "/bin/bash")
	binary, dir := releaseBinary(b), b.TempDir()
	stamp := filepath.Join(dir, "stamp")
	script := `echo "$EPOCHREALTIME" >` + stamp + `; exec sleep 60`
	config := writeConfig(b, dir, fmt.Sprintf("command: [/bin/bash, -c, %q]\n    activation: eager\n    listen: %s/s%%i.sock", script, dir))
	first := func(argv ...string) time.Duration {
		if err := os.RemoveAll(stamp); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		stop := start(b, dir, argv...)
		defer stop()
		return awaitStamp(b, stamp).Sub(begin)
	}
	var bare, ours, extra []time.Duration
	for range 40 * b.N {
		alone, supervised := first("/bin/bash", "-c", script), first(binary, "run", "--config", config)
		bare, ours, extra = append(bare, alone), append(ours, supervised), append(extra, supervised-alone)
	}
	reportDuration(b, quantile(bare, 0.5), "ms/bare")
	reportDuration(b, quantile(ours, 0.5), "ms/run")
	reportDuration(b, quantile(extra, 0.5), "ms-extra")
	reportDuration(b, quantile(extra, 0.9), "ms-extra-p90")
	b.ReportMetric(float64(quantile(extra, 0.5))/float64(boundExec), "of-bound")
}

// awaitStamp reads the moment that a script wrote.
func awaitStamp(b *testing.B, file string) time.Time {
	var at time.Time
	awaitBench(b, "the program's first statement", func() bool {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.HasSuffix(text, []byte("\n")) {
			return false
		}
		micros, err := strconv.ParseInt(strings.ReplaceAll(strings.TrimSpace(string(text)), ".", ""), 10, 64)
		at = time.UnixMicro(micros)
		return err == nil
	})
	return at
}

// BenchmarkIdle measures a supervisor that has nothing to do: memory, and wake-ups counted as voluntary context switches
// of all its threads over ten seconds. Probe and watchdog are due once a second where they are on. "aged" probes without
// pause: the memory that a supervisor has after hours.
func BenchmarkIdle(b *testing.B) {
	binary := releaseBinary(b)
	worker := compileC(b)
	for _, test := range []struct {
		name, activation, interval string
		watchdog                   bool
	}{
		{"sleeping", "lazy", "0s", false},
		{"up", "eager", "0s", false},
		{"up,probe", "eager", "1s", false},
		{"up,watchdog", "eager", "0s", true},
		{"up,probe,watchdog", "eager", "1s", true},
		{"aged", "eager", "5ms", false},
	} {
		b.Run(test.name, func(b *testing.B) {
			dir := b.TempDir()
			config := writeConfig(b, dir, fmt.Sprintf("command: %s\n    activation: %s\n    listen: %s/s%%i.sock\n    health: {interval: %s}", worker, test.activation, dir, test.interval))
			for range b.N {
				measureIdle(b, dir, test.watchdog, binary, "run", "--config", config)
			}
		})
	}
}

func measureIdle(b *testing.B, dir string, watchdog bool, argv ...string) {
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		b.Fatal(err)
	}
	defer notify.Close()
	env := []string{"NOTIFY_SOCKET=" + notify.LocalAddr().String()}
	if watchdog {
		env = append(env, "WATCHDOG_USEC=2000000")
	}
	cmd, stop := startWith(b, dir, env, argv...)
	defer stop()
	awaitReady(b, notify)
	go drain(notify)
	time.Sleep(3 * time.Second) // the beginning's timers and garbage are gone
	before := switches(b, cmd.Process.Pid)
	time.Sleep(10 * time.Second)
	b.ReportMetric(float64(switches(b, cmd.Process.Pid)-before), "wakeups/10s")
	rss := procKiB(b, cmd.Process.Pid, "VmRSS") << 10
	b.ReportMetric(float64(rss)/(1<<20), "MiB")
	b.ReportMetric(float64(procKiB(b, cmd.Process.Pid, "RssAnon"))/(1<<10), "MiB-own")
	b.ReportMetric(float64(rss)/boundRSS, "of-bound")
}

func awaitReady(b *testing.B, notify *net.UnixConn) {
	if err := notify.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 4096)
	for {
		n, err := notify.Read(message)
		if err != nil {
			b.Fatal("not ready: ", err)
		}
		if bytes.Contains(message[:n], []byte("READY=1")) {
			break
		}
	}
	if err := notify.SetReadDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
}

// drain reads on, as systemd does: a full queue would block the sender. It ends when the socket is closed.
func drain(notify *net.UnixConn) {
	for message := make([]byte, 4096); ; {
		if _, err := notify.Read(message); err != nil {
			return
		}
	}
}

// switches sums the voluntary context switches of a process's threads, proc_pid_status(5).
func switches(b *testing.B, pid int) int {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("process %d has no threads: %v", pid, err)
	}
	sum := 0
	for _, task := range tasks {
		sum += statusField(b, task, "voluntary_ctxt_switches")
	}
	return sum
}

func procKiB(b *testing.B, pid int, field string) int {
	return statusField(b, fmt.Sprintf("/proc/%d/status", pid), field)
}

func statusField(b *testing.B, file, field string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+)`).FindSubmatch(text)
	if m == nil {
		b.Fatalf("%s has no %s", file, field)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// releaseBinary is built as make build does: what users run, not what tests run.
func releaseBinary(b *testing.B) string {
	path := filepath.Join(b.TempDir(), "fcgisup")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../fcgisup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("cannot build fcgisup: %v\n%s", err, out)
	}
	return path
}

func compileC(b *testing.B) string {
	needTools(b, "/usr/bin/cc", "/usr/include/fcgiapp.h")
	path := filepath.Join(b.TempDir(), "hello")
	if out, err := exec.Command("cc", "-O2", "-o", path, filepath.Join(appsDir, "hello.c"), "-lfcgi").CombinedOutput(); err != nil {
		b.Fatalf("cc: %v\n%s", err, out)
	}
	return path
}

func needTools(b *testing.B, files ...string) {
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			b.Skipf("%s is missing: run testdata/install-deps", file)
		}
	}
}

// writeConfig writes an app that runs as the user that runs the benchmark.
func writeConfig(b *testing.B, dir, keys string) string {
	me, err := user.Current()
	if err != nil {
		b.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		b.Fatal(err)
	}
	if !strings.Contains(keys, "command:") {
		keys = "command: /usr/bin/app\n    " + keys
	}
	path := filepath.Join(dir, "fcgisup.yaml")
	text := fmt.Sprintf("apps:\n  bench:\n    user: %s\n    socket: {user: %s, group: %s}\n    %s\n", me.Username, me.Username, group.Name, keys)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	return path
}

func start(b *testing.B, dir string, argv ...string) (stop func()) {
	_, stop = startWith(b, dir, nil, argv...)
	return stop
}

// startWith starts a program with the directory as its runtime directory; stop ends it and shows what it said if the
// benchmark has failed.
func startWith(b *testing.B, dir string, env []string, argv ...string) (cmd *exec.Cmd, stop func()) {
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C", "RUNTIME_DIRECTORY="+dir), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = said, said, time.Second
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return cmd, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = cmd.Wait()
		if b.Failed() {
			b.Logf("%s said:\n%s", argv[0], said)
		}
	}
}

func awaitBench(b *testing.B, what string, done func() bool) {
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			b.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func quantile[N int64 | float64 | time.Duration](values []N, q float64) N {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func reportDuration(b *testing.B, d time.Duration, unit string) {
	b.ReportMetric(float64(d)/float64(time.Millisecond), unit)
}
