package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestImportRuns: a program that supervisord ran is served by fcgisup on the same socket, with the same environment.
func TestImportRuns(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/perl")
	dir := t.TempDir()
	runImported(t, dir, "hello.conf", `[fcgi-program:hello]
command=/usr/bin/perl `+appPath(t, "hello.pl")+`
socket=unix://`+dir+`/%(program_name)s.sock
socket_mode=0600
numprocs=2
process_name=%(program_name)s_%(process_num)02d
environment=GREETING="good morning"
user=`+myName(t)+`
`)
	socket := filepath.Join(dir, "hello.sock")
	soonDone(t, "check", socket, "--path", "/env?GREETING", "--body", "^good morning\n")
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	within(t, 30*time.Second, func() error { // both processes
		got := fcgisupRun(t, "status", "--control", filepath.Join(dir, "control.sock"))
		if !strings.Contains(got.out, "2/2") {
			return fmt.Errorf("exit %d: %s%s", got.code, got.out, got.err)
		}
		return nil
	})
}

// TestImportRunsPHP: php-cgi under fcgisup has the settings and variables of the FPM pool.
func TestImportRunsPHP(t *testing.T) {
	inTurn(t, light)
	needFiles(t, "/usr/bin/php-cgi")
	dir := t.TempDir()
	runImported(t, dir, "pool.conf", `[shop]
user = `+myName(t)+`
listen = `+dir+`/$pool.sock
listen.owner = `+myName(t)+`
listen.group = `+myGroup(t)+`
pm = ondemand
pm.max_children = 3
pm.max_requests = 7
env[GREETING] = "good; morning"
php_value[memory_limit] = 99M
php_admin_value[error_reporting] = E_ALL & ~E_NOTICE ; all but one
php_admin_value[user_agent] = "a b; c"
`)
	script := filepath.Join(dir, "say.php")
	writeFile(t, script, `<?php foreach (["memory_limit", "error_reporting", "user_agent"] as $k) echo ini_get($k), "|"; echo getenv("GREETING"), "|", getenv("PHP_FCGI_MAX_REQUESTS");`)
	soonDone(t, "check", filepath.Join(dir, "shop.sock"), "--path", "/say.php", "--param", "SCRIPT_FILENAME="+script,
		"--body", `^99M\|32759\|a b; c\|good; morning\|7$`)
}

func myName(t *testing.T) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return me.Username
}

func myGroup(t *testing.T) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return group.Name
}

// runImported imports a file of this text, and runs what comes of it until the test ends.
func runImported(t *testing.T, dir, name, text string) {
	t.Helper()
	from, config := filepath.Join(dir, name), filepath.Join(dir, "fcgisup.yaml")
	writeFile(t, from, text)
	if got := fcgisupRun(t, "import", from, "--out", config); got.code != exitDone {
		t.Fatal(got.err)
	}
	var log bytes.Buffer
	run := exec.Command(fcgisupBinary(t), "run", "--config", config, "--control", filepath.Join(dir, "control.sock"))
	run.Stderr = &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v\n%s", err, &log)
			}
		case <-time.After(waitLimit):
			_ = run.Process.Kill()
			t.Error("run did not end")
		}
	})
}

// soonDone runs a command until it succeeds.
func soonDone(t *testing.T, args ...string) {
	t.Helper()
	within(t, 30*time.Second, func() error {
		if got := fcgisupRun(t, args...); got.code != exitDone {
			return fmt.Errorf("exit %d: %s%s", got.code, got.out, got.err)
		}
		return nil
	})
}
