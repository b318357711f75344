package nginx

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup"
)

const program = "/usr/sbin/nginx"

// site writes a configuration of nginx around an app's files; it listens on dir/web.
func site(t *testing.T, app fcgisup.App) (dir, config string) {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("%s is missing: run testdata/install-deps", program)
		}
		t.Skipf("%s is missing: run testdata/install-deps", program)
	}
	// A socket's path is short; that of t.TempDir may not be.
	dir, err := os.MkdirTemp("", "nginx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, f := range Render(app, Options{Generator: "fcgisup gen"}) {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Path)), f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("DIR", dir, "APP", app.Name).Replace(`daemon off;
master_process off;
pid DIR/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	fastcgi_temp_path DIR/fastcgi;
	proxy_temp_path DIR/proxy;
	scgi_temp_path DIR/scgi;
	uwsgi_temp_path DIR/uwsgi;
	include DIR/APP-upstream.conf;
	server {
		listen unix:DIR/web;
		server_name site;
		root DIR/root;
		include DIR/APP-location.conf;
	}
}
`)
	for _, name := range []string{"a/x.php", "x.php", "index.php", "blog/x.php", "blog/index.php", "upload/evil.jpg", "cgi-bin/a.cgi"} {
		file := filepath.Join(dir, "root", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config = filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, config
}

// TestZone: nginx finds room for every server, with the longest path there is.
func TestZone(t *testing.T) {
	const longest = 107
	for _, n := range []int{1, 31, 32, 63, 64, 500, fcgisup.MaxInstances} {
		app := example()
		app.Instances = n
		app.Listen.Path = "/run/" + strings.Repeat("x", longest-len("/run/")-len(strconv.Itoa(n))) + "%i"
		_, config := site(t, app)
		out, err := exec.Command(program, "-t", "-e", "stderr", "-c", config).CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("[warn]")) {
			t.Errorf("%d servers: %v\n%s", n, err, out[:min(len(out), 2000)])
		}
	}
}

// TestLongestName: nginx takes the variables of an app whose name is as long as can be.
func TestLongestName(t *testing.T) {
	app := example()
	app.Name = strings.Repeat("x-", 32)
	_, config := site(t, app)
	if out, err := exec.Command(program, "-t", "-e", "stderr", "-c", config).CombinedOutput(); err != nil || bytes.Contains(out, []byte("[warn]")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestManyApps: nginx has nothing to say about a hundred apps.
func TestManyApps(t *testing.T) {
	app := example()
	dir, config := site(t, app)
	for i := range 100 {
		app.Name = fmt.Sprintf("another-app-%d", i)
		app.Nginx.Upstream = app.Name
		for _, f := range Render(app, Options{}) {
			if name := filepath.Base(f.Path); strings.HasSuffix(name, "-upstream.conf") {
				if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	include := "include " + dir + "/"
	text = bytes.Replace(text, []byte(include), []byte(include+"another-app-*-upstream.conf;\n\t"+include), 1)
	if err := os.WriteFile(config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "-q", "-t", "-e", "stderr", "-c", config).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestLocation asks a real nginx and looks at what the program gets.
func TestLocation(t *testing.T) {
	tests := []struct {
		name, location, target string
		params                 map[string]string
		want                   map[string]string
	}{
		{"root", "/", "/a/b%20c?q=1", nil, map[string]string{
			"SCRIPT_NAME": "", "PATH_INFO": "/a/b c", "QUERY_STRING": "q=1", "REQUEST_URI": "/a/b%20c?q=1",
			"REQUEST_METHOD": "GET", "SERVER_NAME": "site", "REDIRECT_STATUS": "200", "GATEWAY_INTERFACE": "CGI/1.1",
			"HTTP_X_TEST": "yes", "REQUEST_SCHEME": "http",
		}},
		{"prefix", "/rt", "/rt/Ticket/x.html", nil, map[string]string{"SCRIPT_NAME": "/rt", "PATH_INFO": "/Ticket/x.html"}},
		{"prefix itself", "/rt", "/rt", nil, map[string]string{"SCRIPT_NAME": "/rt", "PATH_INFO": ""}},
		{"newline in the path", "/rt", "/rt/a%0aSet-Cookie:b%0a", nil, map[string]string{"SCRIPT_NAME": "/rt", "PATH_INFO": "/a\nSet-Cookie:b\n"}},
		{"newline first", "/", "/%0a", nil, map[string]string{"SCRIPT_NAME": "", "PATH_INFO": "/\n"}},
		{"bytes that are not UTF-8", "/rt", "/rt/%ff%80%01%7f", nil, map[string]string{"SCRIPT_NAME": "/rt", "PATH_INFO": "/\xff\x80\x01\x7f"}},
		{"prefix again", "/rt", "/rt/rt/rt", nil, map[string]string{"SCRIPT_NAME": "/rt", "PATH_INFO": "/rt/rt"}},
		{"deep prefix", "/a/b", "/a/b/c", nil, map[string]string{"SCRIPT_NAME": "/a/b", "PATH_INFO": "/c"}},
		{"folder", "/rt/", "/rt/Ticket", nil, map[string]string{"SCRIPT_NAME": "/rt", "PATH_INFO": "/Ticket"}},
		{
			"prefix that is a pattern", `/a.b(c)+$x "\`, `/a.b(c)+$x%20%22%5C/d`, nil,
			map[string]string{"SCRIPT_NAME": `/a.b(c)+$x "\`, "PATH_INFO": "/d"},
		},
		{
			"own parameters", "/", "/x",
			map[string]string{"PATH_INFO": "", "SCRIPT_FILENAME": "/srv$uri", "ODD": `it's "q" \ # $request_method`},
			map[string]string{"PATH_INFO": "", "SCRIPT_FILENAME": "/srv/x", "ODD": `it's "q" \ # GET`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := example()
			app.Nginx.Location, app.Nginx.Params = test.location, test.params
			got := seen(t, app, test.target)
			if _, https := got["HTTPS"]; https {
				t.Error("HTTPS is set for a plain request")
			}
			if proxy := got["HTTP_PROXY"]; proxy != "" {
				t.Errorf("HTTP_PROXY is %q, from the client", proxy)
			}
			for key, want := range test.want {
				if value, ok := got[key]; !ok || value != want {
					t.Errorf("%s is %q (%v), want %q", key, value, ok, want)
				}
			}
		})
	}
}

// TestLocationIsNoOther: what only begins like the prefix is not the app's.
func TestLocationIsNoOther(t *testing.T) {
	for place, target := range map[string]string{
		"/app": "/application", "/app/": "/application", "/a.b": "/axb/", "/app ": "/app%20x", "/x": "/x%0a", "/": "",
	} {
		app := example()
		app.Nginx.Location = place
		status, _, params := visit(t, app, target)
		if place == "/" {
			if status != http.StatusOK {
				t.Errorf("location / does not serve %q: %d", target, status)
			}
		} else if status != http.StatusNotFound || params != nil {
			t.Errorf("location %s serves %s: %d %q", place, target, status, params["PATH_INFO"])
		}
	}
}

// TestTimeoutRunsOnce: a request that is not answered in time is given to one server only.
func TestTimeoutRunsOnce(t *testing.T) {
	app := example()
	app.Instances, app.Nginx.ReadTimeout = 2, time.Second
	app.Listen.Path = filepath.Join(t.TempDir(), "%i")
	var taken atomic.Int32
	for _, in := range app.Expand() {
		listener, err := net.Listen("unix", in.Address.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				taken.Add(1)
				defer conn.Close()
			}
		}()
	}
	dir, config := site(t, app)
	start(t, config)
	response, err := client(dir).Get("http://site/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n := taken.Load(); n != 1 || response.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("%d servers were asked, and the answer was %s; want 1 and 504", n, response.Status)
	}
}

// TestScripts: programs that run scripts are told which, and what does not end as PHP does is not run as PHP.
func TestScripts(t *testing.T) {
	for _, test := range []struct {
		command, location, target, name, info string
		status                                int
	}{
		{"/usr/bin/php-cgi", "/", "/a/x.php?q", "/a/x.php", "", 200},
		{"/usr/bin/php-cgi8.2", "/", "/x.php/more/x.php%0a", "/x.php", "/more/x.php\n", 200},
		{"/usr/bin/php-cgi", "/", "/", "/index.php", "", 200},
		{"/usr/bin/php-cgi", "/blog", "/blog/x.php/1", "/blog/x.php", "/1", 200},
		{"/usr/bin/php-cgi", "/blog", "/blog/", "/blog/index.php", "", 200},
		{"/usr/bin/php-cgi", "/", "/upload/evil.jpg", "", "", 404},
		{"/usr/bin/php-cgi", "/", "/upload/evil.php.jpg", "", "", 404},
		{"/usr/bin/php-cgi", "/", "/upload/evil.jpg/x.php", "", "", 404},
		{"/usr/bin/php-cgi", "/", "/gone.php", "", "", 404},
		{"/usr/sbin/fcgiwrap", "/cgi-bin", "/cgi-bin/a.cgi/repo/b", "/cgi-bin/a.cgi", "/repo/b", 200},
		{"/usr/sbin/fcgiwrap", "/cgi-bin/", "/cgi-bin/status", "/cgi-bin/status", "", 200},
	} {
		app := example()
		app.Command, app.Nginx.Location = []string{test.command}, test.location
		status, _, got := visit(t, app, test.target)
		if status != test.status {
			t.Errorf("%+v: status %d", test, status)
		}
		if status == 200 && (got["SCRIPT_NAME"] != test.name || got["PATH_INFO"] != test.info || !strings.HasSuffix(got["SCRIPT_FILENAME"], "/root"+test.name) || got["DOCUMENT_ROOT"] == "") {
			t.Errorf("%+v: %q %q %q", test, got["SCRIPT_NAME"], got["PATH_INFO"], got["SCRIPT_FILENAME"])
		}
	}
}

// TestServerName: it is never empty, a pattern, or what is not a host name.
func TestServerName(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ block, host, want string }{
		{"server_name site other;", "evil", "site"},
		{"", "asked.example:8080", "asked.example"},
		{"", "[::1]:80", "[::1]"},
		{"server_name _;", "asked.example", "asked.example"},
		{"server_name *.example;", "www.example", "www.example"},
		{`server_name "~^(www|blog)\.example$";`, "blog.example", "blog.example"},
		{"", `a"><b`, strings.ToLower(hostname)},
		{"", "", strings.ToLower(hostname)},
	} {
		app := example()
		app.Name, app.Nginx.Upstream = "http-x", "u"
		var asked []string
		if test.host != "" {
			asked = append(asked, "Host: "+test.host)
		}
		got := raw(t, app, test.block, asked)
		if got["SERVER_NAME"] != test.want {
			t.Errorf("block %q, host %q: SERVER_NAME is %q, want %q", test.block, test.host, got["SERVER_NAME"], test.want)
		}
		if got["SERVER_PORT"] != "80" { // this server listens on a unix socket
			t.Errorf("block %q, host %q: SERVER_PORT is %q, want 80", test.block, test.host, got["SERVER_PORT"])
		}
	}
}

// raw sends a request of HTTP/1.0 with these headers to a server block with this directive.
func raw(t *testing.T, app fcgisup.App, directive string, headers []string) map[string]string {
	t.Helper()
	app.Listen.Path = filepath.Join(t.TempDir(), "s")
	dir, config := site(t, app)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, bytes.Replace(text, []byte("server_name site;"), []byte(directive), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", app.Listen.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := listener.(*net.UnixListener).SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	start(t, config)
	web, err := dial(filepath.Join(dir, "web"))
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	request := strings.Join(append([]string{"GET / HTTP/1.0"}, headers...), "\r\n") + "\r\n\r\n"
	if _, err := io.WriteString(web, request); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	params, err := answer(conn)
	if err != nil {
		t.Fatal(err)
	}
	return params
}

// seen runs nginx, sends it one request and returns the parameters that reached the app.
func seen(t *testing.T, app fcgisup.App, target string) map[string]string {
	t.Helper()
	status, body, params := visit(t, app, target)
	if status != http.StatusOK || body != "ok" {
		t.Fatalf("answer is %d %q", status, body)
	}
	return params
}

// client asks the nginx that listens on dir/web.
func client(dir string) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		Dial:              func(string, string) (net.Conn, error) { return dial(filepath.Join(dir, "web")) },
	}}
}

// visit runs nginx and sends it one request; the parameters are nil if it did not reach the app.
func visit(t *testing.T, app fcgisup.App, target string) (status int, body string, params map[string]string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), `it's; {odd}`)
	app.Listen.Path = socket
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	answered := make(chan map[string]string, 1)
	go func() {
		defer close(answered)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if params, err := answer(conn); err == nil {
			answered <- params
		}
	}()
	dir, config := site(t, app)
	start(t, config)
	request, err := http.NewRequest(http.MethodGet, "http://site"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Proxy", "http://attacker/")
	request.Header.Set("X-Test", "yes")
	response, err := client(dir).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // what has not come by now does not come
	return response.StatusCode, string(text), <-answered
}

func start(t *testing.T, config string) {
	t.Helper()
	var log bytes.Buffer
	command := exec.Command(program, "-e", "stderr", "-c", config)
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", &log)
		}
	})
}

// dial waits for nginx to listen.
func dial(socket string) (net.Conn, error) {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil || time.Now().After(end) {
			return conn, err
		}
	}
}

// answer reads one FastCGI request whole, says "ok" and returns its parameters.
func answer(conn net.Conn) (map[string]string, error) {
	in := bufio.NewReader(conn)
	var pairs []byte
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, err
		}
		content := make([]byte, int(binary.BigEndian.Uint16(head[4:]))+int(head[6]))
		if _, err := io.ReadFull(in, content); err != nil {
			return nil, err
		}
		content = content[:binary.BigEndian.Uint16(head[4:])]
		const params, stdin = 4, 5
		if head[1] == params {
			pairs = append(pairs, content...)
		}
		if head[1] == stdin && len(content) == 0 {
			break
		}
	}
	const text = "Content-Type: text/plain\r\n\r\nok"
	out := append([]byte{1, 6, 0, 1, 0, byte(len(text)), 0, 0}, text...)
	out = append(out, 1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	if _, err := conn.Write(out); err != nil {
		return nil, err
	}
	return decode(pairs), nil
}

// decode reads name-value pairs.
func decode(b []byte) map[string]string {
	length := func() int {
		if b[0]>>7 == 0 {
			n := int(b[0])
			b = b[1:]
			return n
		}
		n := int(binary.BigEndian.Uint32(b) & 0x7fffffff)
		b = b[4:]
		return n
	}
	all := map[string]string{}
	for len(b) > 0 {
		name := length()
		value := length()
		all[string(b[:name])] = string(b[name : name+value])
		b = b[name+value:]
	}
	return all
}
