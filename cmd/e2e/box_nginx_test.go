package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// nginxConfig is Debian's nginx.conf cut to what matters: the same user, several workers, and one server per app
// (see site). error.log goes to the journal, where a failing test shows it.
const nginxConfig = `user www-data;
worker_processes 2;
pid /run/nginx.pid;
error_log stderr;
events { worker_connections 1024; }
http {
	access_log off;
	include /etc/nginx/conf.d/*.conf;
	include /etc/nginx/sites-enabled/*;
}
`

// startNginx starts the box's nginx with nothing behind it yet.
func (b *box) startNginx(t *testing.T) {
	t.Helper()
	b.write(t, "/etc/nginx/nginx.conf", nginxConfig, 0o644)
	b.run(t, "sh", "-c", "rm -rf /etc/nginx/conf.d/* /etc/nginx/sites-enabled/*")
	b.run(t, "systemctl", "start", "nginx.service")
}

// site makes a server that includes the app's location file, found in /etc/nginx/locations. It listens on a unix
// socket, which unlike a port can be reached from outside the box's network namespace.
func (b *box) site(t *testing.T, app string) {
	t.Helper()
	b.write(t, "/etc/nginx/sites-enabled/"+app+".conf", fmt.Sprintf(`server {
	listen unix:%s;
	client_max_body_size 64m;
	include /etc/nginx/locations/%s-location.conf;
}
`, siteSocket(app), app), 0o644)
}

func siteSocket(app string) string { return "/run/site-" + app + ".sock" }

// reloadNginx returns when the new configuration alone answers: nginx itself says "reloaded" as soon as the
// signal is sent.
func (b *box) reloadNginx(t *testing.T) {
	t.Helper()
	if out := b.run(t, "nginx", "-q", "-t"); out != "" {
		t.Errorf("nginx -t is not silent:\n%s", out)
	}
	before := b.nginxWorkers(t)
	b.run(t, "systemctl", "reload", "nginx.service")
	within(t, 20*time.Second, func() error {
		now := b.nginxWorkers(t)
		stale := slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) })
		if stale || len(now) == 0 {
			return fmt.Errorf("nginx workers before %v, now %v", before, now)
		}
		return nil
	})
}

func (b *box) nginxWorkers(t *testing.T) []int {
	t.Helper()
	return slices.Collect(maps.Keys(b.processesLike(t, "^nginx: worker process")))
}

// reply is what nginx in the box said.
type reply struct {
	status int
	body   string
}

func (r reply) String() string { return fmt.Sprintf("%d %.200q", r.status, r.body) }

// get asks the app's site for a path; an error is a failure to get any answer.
func (b *box) get(app, path string) (reply, error) { return b.send(http.MethodGet, app, path, nil) }

// send makes the request by hand on a connection of its own: a client of net/http starts goroutines for each, and a load
// makes hundreds.
func (b *box) send(method, app, path string, body io.Reader) (reply, error) {
	request, err := http.NewRequest(method, "http://box"+path, body)
	if err != nil {
		return reply{}, err
	}
	request.Close = true
	conn, err := net.DialTimeout("unix", b.path(siteSocket(app)), time.Minute)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return reply{}, err
	}
	failed := request.Write(conn) // an answer may come before the whole of a request is sent
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return reply{}, errors.Join(failed, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, string(text)}, err
}

// ok gets a path that must be answered 200.
func (b *box) ok(t *testing.T, app, path string) string {
	t.Helper()
	got, err := b.get(app, path)
	if err != nil || got.status != http.StatusOK {
		t.Fatalf("GET %s of %s = %v, %v; want 200\n%s", path, app, got, err, b.failures())
	}
	return got.body
}
