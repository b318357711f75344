package e2e

import (
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// webServer is one that gen has a subcommand for, and what it does that differs from the others.
type webServer struct {
	name  string
	needs []string
	port  int
	// config is its own file, in which FILES are those of gen and BACKENDS the lines that those for HAProxy ask for.
	config string
	argv   []string
	// fullStatus is what it answers while the queue is full, with which Retry-After: Caddy has one for all apps.
	fullStatus int
	retryAfter string
	// died is what it answers when a worker ends while it serves, killed how many workers a GET costs then.
	died, killed int
	// translates says that it puts what is known of the request into parameters.
	translates bool
}

var webServers = []webServer{
	{
		"apache", []string{"/usr/sbin/apache2", "/usr/lib/apache2/modules/mod_proxy_fcgi.so"}, 8081, `ServerRoot /run
PidFile /run/apache.pid
ErrorLog "|/bin/cat"
ServerName box
User www-data
Group www-data
Listen 127.0.0.1:8081
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_fcgi_module /usr/lib/apache2/modules/mod_proxy_fcgi.so
LoadModule slotmem_shm_module /usr/lib/apache2/modules/mod_slotmem_shm.so
LoadModule proxy_balancer_module /usr/lib/apache2/modules/mod_proxy_balancer.so
LoadModule lbmethod_bybusyness_module /usr/lib/apache2/modules/mod_lbmethod_bybusyness.so
LoadModule lbmethod_byrequests_module /usr/lib/apache2/modules/mod_lbmethod_byrequests.so
DefaultRuntimeDir /run
DocumentRoot /srv/www
<Directory /srv/www>
	Require all granted
</Directory>
IncludeOptional FILES
`, []string{"/usr/sbin/apache2", "-D", "FOREGROUND", "-f", "CONFIG"}, 503, "1", 503, 1, true,
	},
	{
		"caddy", []string{"/usr/bin/caddy"}, 8082, `{
	admin off
	auto_https off
}
http://127.0.0.1:8082, http://box:8082 {
	root * /srv/www
	import FILES
}
`, []string{"/usr/bin/env", "HOME=/run", "/usr/bin/setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", "CONFIG"}, 503, "2", 502, 1, true,
	},
	{
		"haproxy", []string{"/usr/sbin/haproxy"}, 8083, `global
	user www-data
	group www-data
defaults
	mode http
	timeout client 1m
frontend all
	bind 127.0.0.1:8083
	BACKENDS
`, []string{"/usr/sbin/haproxy", "-db", "-f", "CONFIG", "-f", "DIR"}, 503, "1", 502, 2, true,
	},
	{
		"lighttpd", []string{"/usr/sbin/lighttpd"}, 8084, `server.bind = "127.0.0.1"
server.port = 8084
server.username = "www-data"
server.groupname = "www-data"
server.document-root = "/srv/www"
include "FILES"
`, []string{"/usr/sbin/lighttpd", "-D", "-f", "CONFIG"}, 500, "", 500, 1, false,
	},
}

// webServersConfig has five apps for each server, NAME: one on /, one below it, one whose queue is soon full, one that runs
// scripts, one that the server does not wait for.
const webServersConfig = `
  NAME:
    command: [/opt/apps/web.pl]
    instances: 3
    health: {interval: 0s}
    limits: {stop_timeout: 5s}
    web: {root: /srv/www}
  NAME-sub:
    command: [/opt/apps/params.pl]
    nginx: {location: /app, params: {X_TEXT: 'it''s 100% "odd"', X_URI: <$uri>, X_AGENT: $http_user_agent}}
    web: {root: /srv/www}
  NAME-full:
    command: [/opt/apps/web.pl]
    health: {interval: 0s}
    socket: {backlog: 1}
    limits: {queue_wait: 1s}
    nginx: {location: /full/}
    web: {root: /srv/www, connections: 1}
  NAME-php:
    command: /usr/bin/php-cgi PHPFLAGS
    nginx: {location: /php}
    web: {root: /srv/www}
  NAME-slow:
    command: [/opt/apps/web.pl]
    instances: 2
    activation: eager
    health: {interval: 0s}
    nginx: {location: /slow, read_timeout: 1s}
    web: {root: /srv/www}
`

// paramsProgram answers with its parameters.
const paramsProgram = `#!/usr/bin/perl
use FCGI;
my %p;
my $r = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%p);
while ($r->Accept() >= 0) {
	print "Content-Type: text/plain\r\n\r\n", map({ "$_=$p{$_}\n" } sort keys %p), "pid $$\n";
	$r->Finish();
}
`

// TestWebServers drives each web server that gen renders files for, in one box: what the program gets, uploads, a killed
// worker, a full queue, an answer that is too late, restarts under load.
func TestWebServers(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/usr/bin/php-cgi")
	for _, s := range webServers {
		needFiles(t, s.needs...)
	}
	b := newBox(t)
	b.installPrograms(t, "web")
	b.write(t, "/opt/apps/params.pl", paramsProgram, 0o755)
	for name, text := range map[string]string{
		"x.php":         "<?php echo $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['PATH_INFO'] ?? '', ' ', $_SERVER['SCRIPT_FILENAME'];",
		"sub/index.php": "<?php echo 'index';", "picture.jpg": "<?php echo 'run';",
	} {
		b.write(t, "/srv/www/php/"+name, text, 0o644)
	}
	config := "apps:"
	for _, s := range webServers {
		flags := ""
		if s.name == "haproxy" { // which cannot see whether a script exists
			flags = "-d cgi.fix_pathinfo=0"
		}
		config += strings.NewReplacer("NAME", s.name, "PHPFLAGS", flags).Replace(webServersConfig)
	}
	b.configure(t, config)
	b.run(t, "sh", "-ec", "fcgisup gen units --out /run/gen && cp -r /run/gen/systemd/. /etc/systemd/system/ && systemctl daemon-reload")
	for _, s := range webServers {
		b.startWebServer(t, s)
	}
	for _, s := range webServers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := &webClient{webServer: s, box: b}
			within(t, 20*time.Second, func() error { _, err := w.get("/"); return err })
			t.Run("the program gets its parameters", w.parameters)
			t.Run("scripts are found", w.scripts)
			t.Run("uploads arrive", w.uploads)
			t.Run("a killed worker is replaced", w.killedWorker)
			t.Run("a full queue is answered at once", w.fullQueue)
			t.Run("what is slow is not repeated", w.slow)
			t.Run("restarts lose no request", w.restarts)
		})
	}
}

func (b *box) startWebServer(t *testing.T, s webServer) {
	t.Helper()
	apps := []string{s.name, s.name + "-sub", s.name + "-full", s.name + "-php", s.name + "-slow"}
	out := b.run(t, append([]string{"fcgisup", "gen", s.name, "--out", "/run/gen"}, apps...)...)
	if s.translates == strings.Contains(out, "no counterpart") {
		t.Errorf("gen %s says\n%s", s.name, out)
	}
	var backends string
	files, err := filepath.Glob(b.path("/run/gen/" + s.name + "/*"))
	if err != nil || len(files) != len(apps) {
		t.Fatalf("%v, %v", files, err)
	}
	slices.Reverse(files) // the app on / is the first by its name, and its line has no condition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, ok := strings.Cut(string(text), "use_backend "); ok {
			line, _, _ := strings.Cut(rest, "\n")
			backends += "use_backend " + line + "\n\t"
		}
	}
	config := "/etc/webservers/" + s.name
	words := strings.NewReplacer("CONFIG", config, "DIR", "/run/gen/"+s.name, "FILES", "/run/gen/"+s.name+"/*", "BACKENDS", backends)
	b.write(t, config, words.Replace(s.config), 0o644)
	argv := []string{"systemd-run", "-q", "--unit", "webserver-" + s.name}
	for _, word := range s.argv {
		argv = append(argv, words.Replace(word))
	}
	b.run(t, argv...)
	for _, app := range apps {
		b.run(t, "systemctl", "start", app+"-fastcgi.target")
	}
}

// webClient asks one of the servers.
type webClient struct {
	webServer
	*box
}

type webReply struct {
	status int
	body   string
	header http.Header
}

func (r webReply) String() string { return fmt.Sprintf("%d %.300q", r.status, r.body) }

func (w *webClient) get(path string) (webReply, error) {
	return w.request(http.MethodGet, path, nil, "")
}

// request connects within the box's network, from a thread that ends with its goroutine.
func (w *webClient) request(method, target string, body io.Reader, proxy string) (webReply, error) {
	request, err := http.NewRequest(method, fmt.Sprintf("http://box:%d%s", w.port, target), body)
	if err != nil {
		return webReply{}, err
	}
	if proxy != "" {
		request.Header.Set("Proxy", proxy)
	}
	client := http.Client{
		Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return w.dial(ctx)
		}},
	}
	response, err := client.Do(request)
	if err != nil {
		return webReply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return webReply{response.StatusCode, string(text), response.Header}, err
}

func (w *webClient) dial(ctx context.Context) (net.Conn, error) {
	return w.Dial(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", w.port))
}

// said is what the server wrote, for a failing test.
func (w *webClient) said() string {
	out, _ := w.try("journalctl", "--no-pager", "-q", "-o", "cat", "-n", "4", "-u", "webserver-"+w.name+".service")
	return out
}

func (w *webClient) parameters(t *testing.T) {
	got, err := w.request(http.MethodGet, "/app/a%20b/c%2Bd?q=1&r=%20", nil, "http://evil.example/")
	if err != nil || got.status != 200 {
		t.Fatalf("%v, %v\n%s", got, err, w.said())
	}
	want := []string{
		"SCRIPT_NAME=/app", "PATH_INFO=/a b/c+d", "QUERY_STRING=q=1&r=%20", "REQUEST_URI=/app/a%20b/c%2Bd?q=1&r=%20", "REQUEST_METHOD=GET",
		"SERVER_NAME=box", fmt.Sprintf("SERVER_PORT=%d", w.port), "SERVER_PROTOCOL=HTTP/1.1", "REDIRECT_STATUS=200", "REMOTE_ADDR=127.0.0.1",
		"DOCUMENT_ROOT=/srv/www", "REQUEST_SCHEME=http", "GATEWAY_INTERFACE=CGI/1.1", fmt.Sprintf("HTTP_HOST=box:%d", w.port), `X_TEXT=it's 100% "odd"`,
	}
	if w.translates {
		want = append(want, "X_URI=</app/a b/c+d>", "X_AGENT=Go-http-client/1.1", "DOCUMENT_URI=/app/a b/c+d")
	}
	for _, line := range want {
		if !strings.Contains("\n"+got.body, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, got.body)
		}
	}
	if strings.Contains(got.body, "evil") {
		t.Errorf("the client's Proxy: header has arrived:\n%s", got.body)
	}
	_, pid, _ := strings.Cut(got.body, "\npid ")
	for path, mine := range map[string]bool{"/app": true, "/app/": true, "/application": false, "/": false} {
		got, err := w.get(path)
		if err != nil || strings.HasSuffix(got.body, "\npid "+pid) != mine {
			t.Errorf("%s is served by /app: %t, want %t (%v, %v)", path, !mine, mine, got, err)
		}
	}
	if got, err := w.get("/full?x=1"); err != nil || got.status != 301 || !strings.HasSuffix(got.header.Get("Location"), "/full/?x=1") {
		t.Errorf("/full is answered %v %q, %v; want a redirect to /full/?x=1", got, got.header.Get("Location"), err)
	}
	if got, err := w.get("/full/count"); err != nil || !strings.HasPrefix(got.body, "count ") {
		t.Errorf("/full/count: %v, %v", got, err)
	}
}

// scripts: php-cgi gets the script that the path names, and nothing else is run.
func (w *webClient) scripts(t *testing.T) {
	for path, want := range map[string]string{
		"/php/x.php": "/php/x.php  /srv/www/php/x.php", "/php/x.php/more/of%20it": "/php/x.php /more/of it /srv/www/php/x.php", "/php/sub/": "index",
	} {
		if w.name == "haproxy" && strings.Contains(path, ".php/") {
			continue
		}
		if got, err := w.get(path); err != nil || got.status != 200 || got.body != want {
			t.Errorf("%s is answered %v, %v; want %q\n%s", path, got, err, want, w.said())
		}
	}
	for _, path := range []string{"/php/picture.jpg", "/php/none.php", "/php/picture.jpg/x.php"} {
		if got, err := w.get(path); err != nil || got.body == "run" || got.status != 404 && path == "/php/none.php" {
			t.Errorf("%s is answered %v, %v", path, got, err)
		}
	}
}

func (w *webClient) uploads(t *testing.T) {
	if err := w.upload(3_000_000)(); err != nil {
		t.Errorf("%v\n%s", err, w.said())
	}
}

// upload is a load's POST that must arrive whole.
func (w *webClient) upload(size int) func() error {
	body := strings.Repeat("x", size)
	want := fmt.Sprintf("length %d\nsha1 %x\n", size, sha1.Sum([]byte(body)))
	return func() error {
		got, err := w.request(http.MethodPost, "/echo", strings.NewReader(body), "")
		if err == nil && (got.status != 200 || !strings.HasPrefix(got.body, want)) {
			err = fmt.Errorf("answered %v, want %q", got, want)
		}
		return err
	}
}

func (w *webClient) asks(target string) func() error {
	return func() error {
		got, err := w.get(target)
		if err == nil && got.status != 200 {
			err = fmt.Errorf("%s answered %v", target, got)
		}
		return err
	}
}

// pids are those of the workers of the app on /.
func (w *webClient) pids(t *testing.T) []int {
	t.Helper()
	var pids []int
	for n := 1; n <= 3; n++ {
		pid, err := w.ask(fmt.Sprintf("/run/%s%d.sock", w.name, n))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// killedWorker: one that ends by itself costs nothing, one that a request kills costs no more than nginx's two, and
// one that a POST kills no second.
func (w *webClient) killedWorker(t *testing.T) {
	before := w.pids(t)
	w.kill(t, before[0])
	for range 6 {
		if err := w.asks("/")(); err != nil {
			t.Errorf("after a worker was killed: %v\n%s", err, w.said())
		}
	}
	for method, want := range map[string]int{http.MethodGet: w.killed, http.MethodPost: 1} {
		before := w.pids(t)
		got, err := w.request(method, "/kill", strings.NewReader(""), "")
		if err != nil || got.status != w.died {
			t.Errorf("%s /kill is answered %v, %v; want %d\n%s", method, got, err, w.died, w.said())
		}
		lost := 0
		for i, pid := range w.pids(t) {
			if pid != before[i] {
				lost++
			}
		}
		if lost != want {
			t.Errorf("%s /kill cost %d workers, want %d", method, lost, want)
		}
	}
}

// fullQueue: those for whom there is no room are told so, and afterwards all is as before at once.
func (w *webClient) fullQueue(t *testing.T) {
	release := "/run/release-" + w.name
	replies := make(chan webReply, 16)
	for range cap(replies) {
		go func() {
			got, err := w.get("/full/until?" + release)
			if err != nil {
				got = webReply{body: err.Error()}
			}
			replies <- got
		}()
	}
	limit := time.After(waitLimit)
	refused, served := 0, 0
	for served+refused < cap(replies) {
		select {
		case got := <-replies:
			switch {
			case got.status == w.fullStatus && got.header.Get("Retry-After") == w.retryAfter:
				refused++
			case got.status == 200:
				served++
			default:
				t.Errorf("a full queue is answered %v, Retry-After %q; want %d, %q\n%s", got, got.header.Get("Retry-After"), w.fullStatus, w.retryAfter, w.said())
				refused++
			}
		case <-limit:
			t.Fatalf("%d refused and %d served of %d\n%s", refused, served, cap(replies), w.said())
		}
		if refused == 8 {
			w.write(t, release, "", 0o644)
		}
	}
	if served == 0 || refused < 8 {
		t.Errorf("%d refused and %d served", refused, served)
	}
	t.Logf("of %d requests at once %d were refused, %d served", cap(replies), refused, served)
	if err := w.asks("/full/")(); err != nil {
		t.Errorf("when the queue has drained: %v\n%s", err, w.said())
	}
}

// slow: after a timeout the first worker may still be running the request, so no other gets it.
func (w *webClient) slow(t *testing.T) {
	begin := time.Now()
	if got, err := w.get("/slow/sleep?ms=6000"); err != nil || got.status != 504 {
		t.Errorf("an answer that is too late: %v after %v, %v; want 504\n%s", got, time.Since(begin), err, w.said())
	}
	total := 0
	for n := 1; n <= 2; n++ {
		page, err := fcgiAsk("unix", w.path(fmt.Sprintf("/run/%s-slow%d.sock", w.name, n)), "/count", nil, nil)
		_, text, _ := strings.Cut(page, "count ")
		var count int
		if _, scan := fmt.Sscan(text, &count); err != nil || scan != nil {
			t.Fatalf("%q, %v, %v", page, err, scan)
		}
		total += count - 1
	}
	if total != 1 {
		t.Errorf("the request was executed %d times", total)
	}
}

func (w *webClient) restarts(t *testing.T) {
	requests := startLoad(3, w.asks("/sleep?ms=5"))
	uploads := startLoad(1, w.upload(200_000))
	for range rounds(t, 2) {
		before := w.pids(t)
		w.run(t, "fcgisup", "restart", w.name)
		for i, pid := range w.pids(t) {
			if slices.Contains(before, pid) {
				t.Errorf("instance %d still has worker %d", i+1, pid)
			}
		}
	}
	requests.end(t, w.name+": requests during restarts")
	uploads.end(t, w.name+": uploads during restarts")
}
