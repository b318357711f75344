package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// image is what the last stage of .package/Dockerfile says. No registry is asked: this machine's own files are taken for
// those of the image it begins with, which are Debian's as well.
type image struct {
	runs, entrypoint, command []string
	user, stop, health        string
}

func dockerfile(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile("../../.package/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := regexp.MustCompile(`(?m)^FROM .*$`).Split(string(text), -1)
	var i image
	words := func(list string) (argv []string) {
		if err := json.Unmarshal([]byte(list), &argv); err != nil {
			t.Fatalf("Dockerfile: %s: %v", list, err)
		}
		return argv
	}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z]+) (.*)$`).FindAllStringSubmatch(stages[len(stages)-1], -1) {
		switch m[1] {
		case "RUN":
			i.runs = append(i.runs, m[2])
		case "USER":
			i.user = m[2]
		case "STOPSIGNAL":
			i.stop = strings.TrimPrefix(m[2], "SIG")
		case "HEALTHCHECK":
			_, i.health, _ = strings.Cut(m[2], "CMD ")
		case "ENTRYPOINT":
			i.entrypoint = words(m[2])
		case "CMD":
			i.command = words(m[2])
		case "COPY":
			if m[2] != "--from=build /src/bin/fcgisup /usr/bin/fcgisup" {
				t.Fatalf("Dockerfile: this test does not know COPY %s", m[2])
			}
		case "EXPOSE":
		default:
			t.Fatalf("Dockerfile: this test does not know %s", m[1])
		}
	}
	if i.user == "" || i.stop == "" || i.health == "" || i.entrypoint == nil || i.command == nil {
		t.Fatalf("Dockerfile: something is missing: %+v", i)
	}
	return i
}

// containerScript (bash) is a runtime: DIR LAYER RUN USER ARGV... It lays the layer over a view of this machine's
// files, does what the image's RUN lines say, and becomes ARGV as that user, without any capability.
const containerScript = `set -eu
dir=$1 layer=$2 run=$3 user=$4 root=$1/root
shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" overlay "$root"
cp -a "$layer/." "$root/"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
ip link set lo up
chroot "$root" sh -ec "$run"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOSTNAME=container chroot "$root" \
	setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"
`

// container is one that runs.
type container struct {
	image
	pid     int // of its PID 1, seen from outside
	unshare *exec.Cmd
	log     string // the file that is its standard error
}

// forksOrphan is a program whose child outlives its parent, says so and ends.
const forksOrphan = `#!/bin/sh
(sh -c 'sleep 0.3; read -r _ _ _ parent _ </proc/$$/stat; echo "orphan of $parent" >&2' &)
exec /usr/local/bin/hello.pl
`

const containerConfig = `apps:
  hello:
    command: /usr/local/bin/hello.fcgi
    instances: 2
    health: {path: /, interval: 500ms}
    limits: {queue_timeout: 10s}
    restart: {max_delay: 1s}
`

// newContainer starts the image with a program and a configuration added, as the Dockerfile's comment has it.
func newContainer(t *testing.T) *container {
	t.Helper()
	layer := t.TempDir()
	c := &container{image: dockerfile(t), log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for name, text := range map[string]string{"/usr/local/bin/hello.fcgi": forksOrphan, "/etc/fcgisup/fcgisup.yaml": containerConfig} {
		if err := os.MkdirAll(filepath.Join(layer, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(layer, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(layer, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	copyFcgisup(t, filepath.Join(layer, "usr/bin/fcgisup"))
	if out, err := exec.Command("install", "-m755", appPath(t, "hello.pl"), filepath.Join(layer, "usr/local/bin/hello.pl")).CombinedOutput(); err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
	if err := os.Chmod(layer, 0o755); err != nil { // it becomes the container's root
		t.Fatal(err)
	}
	argv := []string{
		"--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "bash", "-c", containerScript, "container",
		t.TempDir(), layer, strings.Join(c.runs, "\n"), c.user,
	}
	c.unshare = exec.Command("unshare", slices.Concat(argv, c.entrypoint, c.command)...)
	c.unshare.Stderr = log
	c.unshare.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.unshare.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.unshare.Process.Kill()
		_ = c.unshare.Wait() // an error when it has been waited for
	})
	within(t, 20*time.Second, func() error {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.unshare.Process.Pid))
		if err != nil {
			return err
		}
		if c.pid, err = strconv.Atoi(strings.TrimSpace(string(children))); err == nil {
			_, err = c.status()
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, c.said())
		}
		return nil
	})
	return c
}

func (c *container) said() string {
	text, _ := os.ReadFile(c.log)
	return string(text)
}

func (c *container) status() ([]control.Status, error) {
	return fetchStatus(context.Background(), c.path("run/fcgisup/hello/control.sock"))
}

// path is a file of the container, seen from here: proc_pid_root(5).
func (c *container) path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(c.pid), "root", name)
}

// enter is a command in the container as its user, like docker exec.
func (c *container) enter(argv ...string) *exec.Cmd {
	uid, gid, _ := strings.Cut(c.user, ":")
	enter := []string{"-t", strconv.Itoa(c.pid), "-m", "-p", "-n", "-i", "-u", "-r", "-w", "-S", uid, "-G", gid, "--"}
	command := exec.Command("nsenter", append(enter, argv...)...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	return command
}

func (c *container) try(argv ...string) (string, int) {
	command := c.enter(argv...)
	out, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return string(out) + err.Error(), -1
	}
	return string(out), command.ProcessState.ExitCode()
}

// healthy is what the runtime finds.
func (c *container) healthy(t *testing.T, want bool) {
	t.Helper()
	if out, code := c.try("sh", "-c", c.health); code != 0 && code != 1 || (code == 0) != want {
		t.Errorf("the health check: exit %d, want health %t\n%s", code, want, out)
	}
}

// TestContainer is the life of fcgisup as PID 1, as .package/Dockerfile has it.
func TestContainer(t *testing.T) {
	inTurn(t, busy)
	needBox(t)
	needFiles(t, "/usr/bin/setpriv", "/usr/bin/curl", "/sbin/ip")
	c := newContainer(t)

	c.healthy(t, true)
	for _, st := range c.all(t) {
		if st.State != control.Sleeping {
			t.Errorf("the health check has woken %s", describe(st))
		}
	}
	if out, code := c.try("curl", "-sS", "http://127.0.0.1:8080/"); !strings.HasPrefix(out, "hello\npid ") {
		t.Fatalf("GET /: exit %d: %s\n%s", code, out, c.said())
	}
	c.healthy(t, true)
	if out, code := c.try("fcgisup", "status"); code != exitDone || !strings.Contains(out, "hello@") {
		t.Errorf("fcgisup status: exit %d\n%s", code, out)
	}
	c.reapsOrphans(t)
	c.notRoot(t)
	c.failsAndRecovers(t)
	c.drains(t)
}

func (c *container) all(t *testing.T) []control.Status {
	t.Helper()
	all, err := c.status()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// reapsOrphans: those that have been left to PID 1 have ended and are gone, zombies too.
func (c *container) reapsOrphans(t *testing.T) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		out, _ := c.try("ps", "-e", "-o", "ppid=,stat=,args=")
		if !strings.Contains(c.said(), "orphan of 1\n") || strings.Contains(out, "sleep") || strings.Contains(out, " Z") {
			return fmt.Errorf("processes:\n%s%s", out, c.said())
		}
		return nil
	})
}

// failsAndRecovers: a program that cannot live makes the container unhealthy, not dead, and healthy again once it can.
func (c *container) failsAndRecovers(t *testing.T) {
	t.Helper()
	program := c.path("usr/local/bin/hello.fcgi")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, _ = c.try("curl", "-sS", "http://127.0.0.1:8080/kill")
	c.soon(t, control.InstanceFailing)
	c.healthy(t, false)
	if err := os.WriteFile(program, []byte(forksOrphan), 0o755); err != nil {
		t.Fatal(err)
	}
	c.soon(t, control.Up)
	c.healthy(t, true)
}

// soon waits until an instance is in the state.
func (c *container) soon(t *testing.T, state control.InstanceState) {
	t.Helper()
	within(t, 20*time.Second, func() error {
		all := c.all(t)
		if !slices.ContainsFunc(all, func(st control.Status) bool { return st.State == state }) {
			return fmt.Errorf("none is %s:\n%s", state, c.said())
		}
		return nil
	})
}

func (c *container) notRoot(t *testing.T) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NSpid:\t" + strconv.Itoa(c.pid) + "\t1\n", "Uid:\t33\t33\t33\t33\n", "CapEff:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("PID 1 has not %q:\n%s", want, status)
		}
	}
}

// drains: what is being served when the runtime stops the container is served to the end, and nothing is left.
func (c *container) drains(t *testing.T) {
	t.Helper()
	// Not in its process namespace, whose processes all end with PID 1.
	long := exec.Command("nsenter", "-t", strconv.Itoa(c.pid), "-n", "--", "curl", "-sS", "http://127.0.0.1:8080/until?/tmp/release")
	var answer bytes.Buffer
	long.Stdout, long.Stderr = &answer, &answer
	if err := long.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() error {
		for _, st := range c.all(t) {
			if st.OldestRequestSeconds != nil && *st.OldestRequestSeconds > 1 { // younger ones may be probes
				return nil
			}
		}
		return errors.New("not served yet")
	})
	if out, err := exec.Command("kill", "-s", c.stop, strconv.Itoa(c.pid)).CombinedOutput(); err != nil {
		t.Fatalf("kill: %v\n%s", err, out)
	}
	if err := os.WriteFile(c.path("tmp/release"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := long.Wait(); err != nil || !strings.HasPrefix(answer.String(), "until /tmp/release\n") {
		t.Errorf("the request that was being served: %v\n%s", err, answer.String())
	}
	ended := make(chan error, 1)
	go func() { ended <- c.unshare.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the container ends with %v\n%s", err, c.said())
		}
	case <-time.After(waitLimit):
		t.Errorf("the container does not end\n%s", c.said())
	}
}
