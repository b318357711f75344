package deploy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

func TestApplyLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "apply.lock")
	env := map[string]string{}
	unlock, err := lockApply(path, func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(fmt.Sprintf(`^another apply \(pid %d, user \S+\) is at work$`, os.Getpid()))
	if _, err := lockApply(path, os.Getenv); err == nil || !want.MatchString(err.Error()) {
		t.Errorf("got %v", err)
	}
	unlock()
	env["SUDO_USER"] = "al\nice"
	if unlock, err = lockApply(path, func(key string) string { return env[key] }); err != nil {
		t.Fatal(err)
	}
	if _, err := lockApply(path, os.Getenv); err == nil || !strings.Contains(err.Error(), " for al ice) is at work") {
		t.Errorf("got %v", err)
	}
	unlock()
}

func TestRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if r, err := readRecord(dir, "web"); r != nil || err != nil {
		t.Errorf("of nothing: %v, %v", r, err)
	}
	saved := &record{App: "web", At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Pending: true, Files: map[string][]string{"/a": {"1", "2"}}, Marks: marks{Socket: "s"}}
	if err := saved.save(dir, "web"); err != nil {
		t.Fatal(err)
	}
	all, err := readRecords(dir)
	if diff := cmp.Diff(map[string]*record{"web": saved}, all); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "shop.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readRecords(dir); err == nil || !strings.HasPrefix(err.Error(), "cannot read what apply did: ") {
		t.Errorf("of a broken one: %v", err)
	}
	for range 2 {
		if err := (*record)(nil).save(dir, "web"); err != nil {
			t.Error(err)
		}
	}
	if r, err := readRecord(dir, "web"); r != nil || err != nil {
		t.Errorf("after its removal: %v, %v", r, err)
	}
}

func TestDirectives(t *testing.T) {
	text := "# c\n[Unit]\nA=1\n\n[Socket]\n# why\nA=2\n; c\n  B = 3  \n[Service]\nA=4\n"
	if got, want := Directives([]byte(text), "Socket"), "A=2\nB = 3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMarks: what scales or is only nginx's or systemd's is not a reason to disturb what runs.
func TestMarks(t *testing.T) {
	of := func(text string) marks {
		app := appOf(t, text)
		m, err := marksOf(app, listOf(filesOf(t, app)))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	base := of(applyConfig(2))
	tests := []struct {
		key                            string
		socket, service, config, nginx bool
	}{
		{"description: X", false, false, false, false},
		{"socket: {backlog: 7}", true, false, true, false},
		{"environment: {A: b}", false, false, true, false},
		{"workers: 3", false, false, true, false},
		{"nginx: {balance: ip_hash}", false, false, false, true},
		{"systemd: {service: {TasksMax: 9}}", false, true, false, false},
		{"systemd: {socket: {MaxConnections: 9}}", true, false, false, false},
		{"activation: eager", false, false, false, true}, // the default of nginx.read_timeout
	}
	for _, test := range tests {
		m := of(applyConfig(2, test.key))
		got := [4]bool{m.Socket != base.Socket, m.Service != base.Service, m.Config != base.Config, m.Nginx != base.Nginx}
		if want := [4]bool{test.socket, test.service, test.config, test.nginx}; got != want {
			t.Errorf("%s changes socket, service, config, nginx: %v, want %v", test.key, got, want)
		}
	}
	if m := of(applyConfig(5)); m.Socket != base.Socket || m.Service != base.Service || m.Config != base.Config {
		t.Error("the number of instances disturbs what runs")
	}
}

// TestConnections counts real ones: in the queue, accepted, closed.
func TestConnections(t *testing.T) {
	dir := t.TempDir()
	for _, network := range []string{"unix", "tcp"} {
		address := fcgisup.Address{Network: network, Addr: filepath.Join(dir, "a b.sock")}
		if network == "tcp" {
			address.Addr = "127.0.0.1:0"
		}
		l, err := net.Listen(network, address.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		address.Addr = l.Addr().String()
		other := fcgisup.Address{Network: "unix", Addr: filepath.Join(dir, "other.sock")}
		count := func(want int) {
			t.Helper()
			within(t, 10*time.Second, func() error {
				used, err := connections([]fcgisup.Address{address, other})
				if err == nil && (used[address] != want || used[other] != 0) {
					err = fmt.Errorf("%s: counted %v, want %d", network, used, want)
				}
				return err
			})
		}
		count(0)
		client, err := net.Dial(network, address.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		count(1)
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		count(1)
		if network == "tcp" {
			client.Close() // the worker goes on with what it was asked
			count(1)
		}
		served.Close()
		count(0)
	}
}

// TestForeignConnections: a client in another network namespace is in no list of ours once it is served.
func TestForeignConnections(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace; run as root")
	}
	address := fcgisup.Address{Network: "unix", Addr: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", address.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	clients := make(chan int, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine, and its namespace with it
		fd := -1
		if unix.Unshare(unix.CLONE_NEWNET) == nil {
			if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
				err = unix.Connect(fd, &unix.SockaddrUnix{Name: address.Addr})
			}
		}
		clients <- fd
	}()
	fd := <-clients
	if fd < 0 || err != nil {
		t.Fatal(fd, err)
	}
	if used, err := connections([]fcgisup.Address{address}); err != nil || used[address] != 1 {
		t.Errorf("in the queue: %v, %v", used, err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if used, err := connections([]fcgisup.Address{address}); err != nil || used[address] < 1 { // this process has the client's end, too
		t.Errorf("served: %v, %v", used, err)
	}
	if err := errors.Join(conn.Close(), unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() error {
		used, err := connections([]fcgisup.Address{address})
		if err == nil && used[address] != 0 {
			err = fmt.Errorf("closed: %v", used)
		}
		return err
	})
}

func TestClearSockets(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) fcgisup.Address {
		return fcgisup.Address{Network: "unix", Addr: filepath.Join(dir, name)}
	}
	for _, name := range []string{"live", "dead"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path(name).Addr})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if name == "live" {
			defer l.Close()
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, path("file").Addr, "")
	if err := clearSockets([]fcgisup.Address{path("live"), path("dead"), path("file"), path("none"), {Network: "tcp", Addr: "127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"live": true, "dead": false, "file": true} {
		if _, err := os.Lstat(path(name).Addr); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInverse: every change that is undone leaves what was.
func TestInverse(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "changed"), "old")
	if err := os.Mkdir(filepath.Join(dir, "removed.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "removed.d", "listen.conf"), "old")
	old := noon.Add(-time.Hour)
	for _, name := range []string{"changed", "removed.d/listen.conf"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, dir)
	all := []Change{
		{Place: filepath.Join(dir, "changed"), Verb: "changed", Old: []byte("old"), New: []byte("new"), mode: 0o644},
		{Place: filepath.Join(dir, "removed.d", "listen.conf"), Verb: "removed", Old: []byte("old")},
		{Place: filepath.Join(dir, "created.d", "listen.conf"), Verb: "created", New: []byte("new"), mode: 0o644},
	}
	tx := &transaction{Applier: &Applier{}}
	if err := tx.change(all); err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(before, tree(t, dir)) {
		t.Fatal("nothing has changed")
	}
	if err := tx.restore(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	for _, name := range []string{"changed", "removed.d/listen.conf"} {
		if at := modified(filepath.Join(dir, name)); !at.Equal(old) {
			t.Errorf("%s is of %s, so that what has read it looks out of date", name, at)
		}
	}
	// Noted, but not come so far.
	changed := filepath.Join(dir, "changed")
	file, err := os.Stat(changed)
	if err != nil {
		t.Fatal(err)
	}
	tx.undo.written = []Change{
		{Place: filepath.Join(dir, "never"), Verb: "created", New: []byte("x")},
		{Place: changed, Verb: "changed", Old: []byte("old"), New: []byte("newer"), was: old},
	}
	if err := tx.restore(); err != nil {
		t.Error(err)
	}
	if now, err := os.Stat(changed); err != nil || !os.SameFile(file, now) {
		t.Errorf("a file that was never changed is written again (%v)", err)
	}
}
