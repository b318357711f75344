package supervisor

import (
	"encoding/json"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

func TestASupervisorNeedsItsEnvironmentFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	app := roleApp("serve", t.TempDir())
	app.EnvironmentFile = path
	if _, err := New(Options{App: app}); err == nil {
		t.Error("a supervisor without its environment file")
	}
}

func TestWorkerSeesItsEnvironmentFolderAndThreeDescriptors(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "env")
	if err := os.WriteFile(file, []byte("FROM_FILE=file\nBOTH=file\nLANG=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := []string{"RUNTIME_DIRECTORY", "FCGI_WEB_SERVER_ADDRS", fcgisup.EnvConfig, "FCGISUP_WORKER"}
	for _, name := range ours {
		t.Setenv(name, "1")
	}
	t.Setenv("INHERITED", "yes")
	t.Setenv("LANG", "inherited")
	inherited, err := unix.Dup(2) // what a careless parent leaves open
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	b := run(t, "serve", func(a *fcgisup.App) {
		a.EnvironmentFile, a.Directory = file, dir
		a.Environment["BOTH"], a.Environment["FROM_YAML"] = "yaml", "yaml"
	})
	env := strings.Split(b.ask("env").text, "\n")
	for _, want := range []string{"INHERITED=yes", "FROM_FILE=file", "BOTH=yaml", "FROM_YAML=yaml", "LANG=file"} {
		if !slices.Contains(env, want) {
			t.Errorf("the worker's environment lacks %s", want)
		}
	}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(kv, "FCGISUP_WORKER=t@1:") {
			continue
		}
		if slices.Contains(ours, name) || fcgisup.ManagerVariable(name) {
			t.Errorf("the worker's environment has %s", kv)
		}
	}
	if got := b.ask("cwd").text; got != dir {
		t.Errorf("the worker is in %s, not in %s", got, dir)
	}
	if got := strings.Fields(b.ask("fds").text); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("the worker has descriptors %v", got)
	}
	if got := b.ask("parent").text; got != strconv.Itoa(os.Getpid()) {
		t.Errorf("the worker's parent is %s", got)
	}
}

func TestDirectoryThatIsNotThereIsASpawnError(t *testing.T) {
	b := run(t, "serve", atOnce, func(a *fcgisup.App) { a.Directory = "/nonexistent" })
	if f := b.is(control.InstanceFailing).LastFailure; f.Cause != control.SpawnError || !strings.Contains(f.Detail, "no such file") {
		t.Errorf("last failure %+v", f)
	}
}

// several is a user with supplementary groups, if there is one, else the account nobody.
func several(t *testing.T) *user.User {
	t.Helper()
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(groups)) {
		members := line[strings.LastIndexByte(line, ':')+1:]
		name, _, _ := strings.Cut(strings.TrimSpace(members), ",")
		if u, err := user.Lookup(name); err == nil && u.Uid != "0" {
			return u
		}
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user to drop to")
	}
	return u
}

func TestRootDropsToUserGroupAndSupplementaryGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can switch users")
	}
	u := several(t)
	group, err := user.LookupGroup("nogroup")
	if err != nil {
		t.Skip(err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	want := append(ids, group.Gid)
	slices.Sort(want)
	b := run(t, "serve", atOnce, func(a *fcgisup.App) {
		a.User, a.Group = u.Username, "nogroup"
		a.Command = []string{"/bin/sh", "-c", `echo "$(id -u) $(id -g) $USER $LOGNAME $HOME"; id -G; exit 1`}
	})
	out := b.is(control.InstanceFailing).LastFailure.Output
	if len(out) != 2 {
		t.Fatalf("output %q", out)
	}
	if id := strings.Join([]string{u.Uid, group.Gid, u.Username, u.Username, u.HomeDir}, " "); out[0] != id {
		t.Errorf("the worker is %q, want %q", out[0], id)
	}
	got := strings.Fields(out[1])
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), slices.Compact(got)); diff != "" {
		t.Errorf("groups of %s (-want +got):\n%s", u.Username, diff)
	}
}

func TestSwitchedWorkerServesAndIsWatchedAndStopped(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can switch users")
	}
	b := run(t, "serve", func(a *fcgisup.App) { a.User = "nobody"; delete(a.Environment, markVariable) })
	b.ask("hello")
	b.worker(control.Ready)
	if err := b.sup.Restart(t.Context(), 1); err != nil {
		t.Error(err)
	}
	b.ask("hello")
	b.stop()
	gone(t, b.pids...)
}

func TestUnknownUserOrGroupIsAnError(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root switches users")
	}
	app := roleApp("serve", t.TempDir())
	app.User = "no-such-user"
	if _, err := worker.NewLaunch(app, nil); err == nil || err.Error() != `cannot find the user of app t: user: unknown user no-such-user` {
		t.Error(err)
	}
	app.User, app.Group = "nobody", "no-such-group"
	if _, err := worker.NewLaunch(app, nil); err == nil || err.Error() != `cannot find the group of app t: group: unknown group no-such-group` {
		t.Error(err)
	}
}

// playLaunch prints how a process without privileges would start a worker.
func playLaunch() int {
	app := roleApp("serve", "/")
	app.User = "root"
	l, err := worker.NewLaunch(app, nil)
	if err != nil {
		return complain(err)
	}
	if json.NewEncoder(os.Stdout).Encode(l) != nil {
		return 1
	}
	return 0
}

func TestWithoutRootTheUserStaysTheSame(t *testing.T) {
	if os.Geteuid() != 0 {
		l, err := worker.NewLaunch(roleApp("serve", "/"), nil)
		if err != nil || l.Switch {
			t.Errorf("%+v, %v", l, err)
		}
		return
	}
	cmd := inRole("launch")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var l worker.Launch
	if err := json.Unmarshal(out, &l); err != nil {
		t.Fatal(err)
	}
	if l.Switch || l.UID != 0 || slices.ContainsFunc(l.Env, func(kv string) bool { return strings.HasPrefix(kv, "USER=") }) {
		t.Errorf("%+v", l)
	}
}

func TestLaunchEqual(t *testing.T) {
	app := roleApp("serve", t.TempDir())
	base, err := worker.NewLaunch(app, []string{"B=1", "A=2"})
	if err != nil {
		t.Fatal(err)
	}
	same, _ := worker.NewLaunch(app, []string{"A=2", "B=1", "LISTEN_FDS=1"})
	if !base.Equal(same) {
		t.Error("the order of the environment, or a variable of ours, makes a difference")
	}
	for name, change := range map[string]func(*worker.Launch){
		"argv":   func(l *worker.Launch) { l.Argv = []string{"/bin/true"} },
		"dir":    func(l *worker.Launch) { l.Dir = "/tmp" },
		"env":    func(l *worker.Launch) { l.Env = l.Env[1:] },
		"switch": func(l *worker.Launch) { l.Switch = true },
		"uid":    func(l *worker.Launch) { l.UID++ },
		"gid":    func(l *worker.Launch) { l.GID++ },
		"groups": func(l *worker.Launch) { l.Groups = []int{7} },
		"signal": func(l *worker.Launch) { l.StopSignal = syscall.SIGUSR1 },
	} {
		if other := base; true {
			change(&other)
			if base.Equal(other) {
				t.Errorf("another %s makes no difference", name)
			}
		}
	}
}
