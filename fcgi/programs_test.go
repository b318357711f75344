package fcgi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startNginx serves / from the given unix sockets and returns the path of its own. more
// is directives of the location.
func startNginx(t *testing.T, more string, backends ...string) string {
	t.Helper()
	program := program(t, "nginx")
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // its workers must reach the test's directories
	}
	socket := filepath.Join(dir, "http")
	var servers strings.Builder
	for _, b := range backends {
		fmt.Fprintf(&servers, "server unix:%s max_fails=0; ", b)
	}
	conf := fmt.Sprintf(`%s daemon off; pid %[2]s/pid; error_log %[2]s/error.log info; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off; client_max_body_size 0;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fcgi;
  uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
  upstream backend { %[4]s }
  server { listen unix:%[3]s; location / { fastcgi_pass backend;
    fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_LENGTH $content_length; %[5]s } }
}`, user, dir, socket, servers.String(), more)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command(program, "-p", dir, "-c", path, "-e", filepath.Join(dir, "error.log")))
	await(t, socket)
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("%s", log)
		}
	})
	return socket
}

// program finds an installed program, or skips the test.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("not installed:", name)
	}
	return path
}

// start runs a program until the test ends.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.Stderr == nil {
		cmd.Stderr = t.Output()
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait() // ends by signal
	})
}

// await returns when a process listens at a socket path.
func await(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatal("no process listens at", path)
}

func httpClient(t *testing.T, socket string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// listenerFile is a blocking listening socket to hand to a program as its fd 0. It is
// made by hand, since package net would set O_NONBLOCK for the program too.
func listenerFile(t *testing.T) (file *os.File, address string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	address = filepath.Join(t.TempDir(), "app")
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: address}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 16); err != nil {
		t.Fatal(err)
	}
	file = os.NewFile(uintptr(fd), address)
	t.Cleanup(func() { file.Close() })
	return file, address
}

const perlApp = `use FCGI; my $r = FCGI::Request();
while ($r->Accept() >= 0) { print "Content-Type: text/plain\r\n\r\n$ENV{REQUEST_METHOD} $ENV{PATH_INFO}"; }`

const cApp = `#include <fcgi_stdio.h>
#include <stdlib.h>
int main(void) { while (FCGI_Accept() >= 0) {
  printf("Content-Type: text/plain\r\n\r\n%s %s", getenv("REQUEST_METHOD"), getenv("PATH_INFO"));
  FCGI_SetExitStatus(3); } return 0; }`

var realPrograms = []struct {
	name string
	make func(t *testing.T) (cmd *exec.Cmd, params map[string]string)
	app  uint32 // status
}{
	{name: "Perl FCGI", make: func(t *testing.T) (*exec.Cmd, map[string]string) {
		perl := program(t, "perl")
		if exec.Command(perl, "-MFCGI", "-e", "1").Run() != nil {
			t.Skip("not installed: Perl FCGI")
		}
		return exec.Command(perl, "-e", perlApp), nil
	}},
	{name: "C libfcgi", app: 3, make: func(t *testing.T) (*exec.Cmd, map[string]string) {
		cc, dir := program(t, "cc"), t.TempDir()
		if err := os.WriteFile(dir+"/app.c", []byte(cApp), 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command(cc, "-o", dir+"/app", dir+"/app.c", "-lfcgi").CombinedOutput(); err != nil {
			t.Skipf("not installed: libfcgi: %s", text)
		}
		return exec.Command(dir + "/app"), nil
	}},
	{name: "php-cgi", make: func(t *testing.T) (*exec.Cmd, map[string]string) {
		php, file := program(t, "php-cgi"), filepath.Join(t.TempDir(), "app.php")
		const app = `<?php echo $_SERVER["REQUEST_METHOD"], " ", $_SERVER["PATH_INFO"];`
		if err := os.WriteFile(file, []byte(app), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(php), map[string]string{"SCRIPT_FILENAME": file}
	}},
	{name: "fcgiwrap", make: func(t *testing.T) (*exec.Cmd, map[string]string) {
		wrap, file := program(t, "fcgiwrap"), filepath.Join(t.TempDir(), "app.cgi")
		// fcgiwrap answers 502 when a script leaves its input unread.
		const app = "#!/bin/sh\ncat >/dev/null; printf 'Content-Type: text/plain\\n\\n%s %s' \"$REQUEST_METHOD\" \"$PATH_INFO\"\n"
		if err := os.WriteFile(file, []byte(app), 0o700); err != nil {
			t.Fatal(err)
		}
		return exec.Command(wrap), map[string]string{"SCRIPT_FILENAME": file}
	}},
}

func TestRealPrograms(t *testing.T) {
	for _, tc := range realPrograms {
		t.Run(tc.name, func(t *testing.T) {
			cmd, params := tc.make(t)
			listener, address := listenerFile(t)
			cmd.Stdin = listener
			start(t, cmd)
			r := Request{Network: "unix", Address: address, Path: "/where", Params: params}
			for range 3 { // a worker that we park or end would not answer again
				response, err := Probe(within(t, time.Minute), r)
				if err != nil || string(response.Body) != "GET /where" || response.AppStatus != tc.app {
					t.Fatalf("%+v %q %v", response, response.Body, err)
				}
				ping, err := Probe(within(t, time.Minute), Request{Network: "unix", Address: address})
				if err != nil || ping.Unsupported || ping.Values["FCGI_MPXS_CONNS"] != "0" {
					t.Fatalf("ping: %+v %v", ping, err)
				}
			}
			front := &Front{Backends: []Backend{{"unix", address}}, Params: params}
			if code, body := serve(t, front, "POST", "/where", strings.NewReader("some input")); code != 200 || body != "POST /where" {
				t.Errorf("front: %d %q", code, body)
			}
		})
	}
}

// A Perl program that dies ends its request properly: only the header block is missing.
func TestPerlDies(t *testing.T) {
	perl := program(t, "perl")
	if exec.Command(perl, "-MFCGI", "-e", "1").Run() != nil {
		t.Skip("not installed: Perl FCGI")
	}
	listener, address := listenerFile(t)
	cmd := exec.Command(perl, "-e", `use FCGI; my $r = FCGI::Request(); $r->Accept(); die "out of cheese";`)
	cmd.Stdin = listener
	start(t, cmd)
	response, err := Probe(within(t, time.Minute), Request{Network: "unix", Address: address, Path: "/"})
	if ClassOf(err) != Protocol || response.ProtocolStatus != RequestComplete || !strings.Contains(err.Error(), "out of cheese") {
		t.Errorf("%+v %v", response, err)
	}
}
