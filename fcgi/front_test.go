package fcgi

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func serve(t *testing.T, front http.Handler, method, target string, body io.Reader) (code int, text string) {
	t.Helper()
	response, err := try(t, front, method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.text
}

type textResponse struct {
	*http.Response
	text string
}

// try sends one request through a real HTTP server and reads the answer to its end.
func try(t *testing.T, front http.Handler, method, target string, body io.Reader) (textResponse, error) {
	t.Helper()
	server := httptest.NewServer(front)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Proxy", "evil:1")
	request.Header.Set("X_User", "root")
	request.Header.Add("X-Two", "a")
	request.Header.Add("X-Two", "b")
	response, err := server.Client().Transport.RoundTrip(request)
	if err != nil {
		return textResponse{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return textResponse{response, string(text)}, err
}

func frontOf(backends ...string) *Front {
	f := &Front{}
	for _, address := range backends {
		f.Backends = append(f.Backends, Backend{"unix", address})
	}
	return f
}

func TestFrontParams(t *testing.T) {
	got := make(chan map[string]string, 1)
	p := newPeer(t, func(_ *peer, conn net.Conn) {
		_, params := takeRequest(conn)
		got <- params
		_, _ = conn.Write(append(out(good), end(0, 0)...))
	})
	f := frontOf(p.address)
	f.ScriptName = "/rt"
	f.Params = map[string]string{"DOCUMENT_ROOT": "/srv", "SERVER_NAME": "override"}
	if code, body := serve(t, f, "POST", "/rt/a%20b?q=1", strings.NewReader("hello")); code != 200 || body != "hello" {
		t.Fatalf("%d %q", code, body)
	}
	params := <-got
	for _, name := range []string{"REMOTE_PORT", "SERVER_PORT", "HTTP_HOST"} {
		if params[name] == "" {
			t.Error("no", name)
		}
		delete(params, name)
	}
	want := map[string]string{
		"CONTENT_LENGTH": "5", "CONTENT_TYPE": "", "DOCUMENT_URI": "/rt/a b", "DOCUMENT_ROOT": "/srv",
		"GATEWAY_INTERFACE": "CGI/1.1", "PATH_INFO": "/a b", "QUERY_STRING": "q=1", "REDIRECT_STATUS": "200",
		"REQUEST_METHOD": "POST", "REQUEST_SCHEME": "http", "REQUEST_URI": "/rt/a%20b?q=1", "SCRIPT_NAME": "/rt",
		"SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "fcgisup", "SERVER_NAME": "override",
		"SERVER_ADDR": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1",
		"HTTP_X_TWO": "a, b", "HTTP_USER_AGENT": "Go-http-client/1.1", "HTTP_ACCEPT_ENCODING": "gzip",
	}
	if diff := cmp.Diff(want, params); diff != "" {
		t.Error(diff)
	}
	for _, target := range []string{"/", "/rtx", "/other"} {
		if code, _ := serve(t, f, "GET", target, nil); code != 404 {
			t.Errorf("%s: %d", target, code)
		}
	}
	if code, _ := serve(t, f, "GET", "/rt/%00", nil); code != 400 {
		t.Errorf("NUL: %d", code)
	}
}

var longValue = strings.Repeat("x", 9000)

var frontAnswers = []struct {
	name, method string
	script       func(*peer, net.Conn)
	code         int
	header       http.Header // a part
	text         string
	broken       bool // the connection
}{
	{name: "page", script: answering(out(good), end(0, 0)), code: 200, header: http.Header{"Content-Type": {"text/plain"}}, text: "hello"},
	{name: "status in lower case", script: answering(out("status: 404 Not Found\nContent-Type: a/b\n\nx"), end(0, 0)), code: 404, text: "x"},
	{name: "location", script: answering(out("Location: /next\n\n"), end(0, 0)), code: 302, header: http.Header{"Location": {"/next"}}},
	{name: "location with status", script: answering(out("Location: /next\nStatus: 303\n\n"), end(0, 0)), code: 303},
	{name: "long header line", script: answering(out("X-Long: "+longValue+"\n\n"), end(0, 0)), code: 200, header: http.Header{"X-Long": {longValue}}},
	{name: "cookies", script: answering(out("Set-Cookie: a=1\nSet-Cookie: b=2\n\n"), end(0, 0)), code: 200, header: http.Header{"Set-Cookie": {"a=1", "b=2"}}},
	{name: "no guessed type", script: answering(out("Status: 200\n\n<html>"), end(0, 0)), code: 200, header: http.Header{"Content-Type": nil}, text: "<html>"},
	{name: "headers of the connection", script: answering(out("Connection: close\nTransfer-Encoding: gzip\nX: y\n\n"), end(0, 0)), code: 200, header: http.Header{"Connection": nil, "X": {"y"}}},
	{name: "head", method: "HEAD", script: answering(out("Content-Length: 5\n\nhello"), end(0, 0)), code: 200, header: http.Header{"Content-Length": {"5"}}},
	{name: "not modified with a body", script: answering(out("Status: 304\n\nhello"), end(0, 0)), code: 304},
	{name: "more than declared", script: answering(out("Content-Length: 4\n\nhello"), end(0, 0)), code: 200, text: "hell"},
	{name: "less than declared", script: answering(out("Content-Length: 6\n\nhello"), end(0, 0)), code: 200, text: "hello", broken: true},
	{name: "malformed length", script: answering(out("Content-Length: 5, 5\n\nhello"), end(0, 0)), code: 502},
	{name: "application status", script: answering(out(good), end(9, 0)), code: 200, text: "hello"},
	{name: "overloaded", script: answering(end(0, WorkerOverloaded)), code: 503, header: http.Header{"Retry-After": {"5"}}},
	{name: "empty", script: answering(end(0, 0)), code: 502},
	{name: "closes", script: answering(), code: 502},
	{name: "an HTTP reply", script: answering([]byte("HTTP/1.1 200 OK\r\n\r\n")), code: 502},
	{name: "informational", script: answering(out("Status: 101\n\n"), end(0, 0)), code: 502},
	{name: "closes within the page", script: answering(out(good)), code: 200, text: "hello", broken: true},
	{name: "overloaded after the page", script: answering(out(good), end(0, WorkerOverloaded)), code: 200, text: "hello", broken: true},
	{name: "silent", script: holding(), code: 504},
	{name: "silent within the page", script: holding(out(good)), code: 200, text: "hello", broken: true},
}

func TestFrontAnswers(t *testing.T) {
	for _, tc := range frontAnswers {
		t.Run(tc.name, func(t *testing.T) {
			check := settled(t)
			defer check()
			t.Run("peer", func(t *testing.T) {
				f := frontOf(newPeer(t, tc.script).address)
				f.Silence = time.Minute
				if strings.HasPrefix(tc.name, "silent") {
					f.Silence = hostileDeadline
				}
				if tc.method == "" {
					tc.method = "GET"
				}
				response, err := try(t, f, tc.method, "/", nil)
				// An answer that breaks before its first byte went out has no header to check.
				if response.Response == nil && tc.broken {
					return
				}
				if (err != nil) != tc.broken || response.Response == nil {
					t.Fatalf("%+v %v", response, err)
				}
				if response.StatusCode != tc.code {
					t.Errorf("status %d", response.StatusCode)
				}
				if tc.code < 500 && response.text != tc.text {
					t.Errorf("body %q", response.text)
				}
				for name, want := range tc.header {
					if diff := cmp.Diff(want, response.Header[name]); diff != "" {
						t.Error(name, diff)
					}
				}
			})
		})
	}
}

// Backends that cannot be connected to are passed over; when all are, it is 503.
func TestFrontTriesTheNext(t *testing.T) {
	dir := t.TempDir()
	alive := newPeer(t, answering(out(good), end(0, 0)))
	if err := os.WriteFile(dir+"/refused", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := frontOf(dir+"/missing", alive.address, dir+"/refused")
	for range 6 {
		if code, _ := serve(t, f, "GET", "/", nil); code != 200 {
			t.Error(code)
		}
	}
	for i, n := range f.balance.inFlight {
		if n != 0 {
			t.Errorf("backend %d: %d in flight", i, n)
		}
	}
	for _, f := range []*Front{frontOf(dir+"/missing", dir+"/refused"), {}} {
		f.RetryAfter = 1500 * time.Millisecond
		response, err := try(t, f, "GET", "/", nil)
		if err != nil || response.StatusCode != 503 || response.Header.Get("Retry-After") != "2" {
			t.Errorf("%+v %v", response, err)
		}
	}
}

func TestBalance(t *testing.T) {
	var b balance
	var order []int
	var releases []func()
	for range 5 { // one in flight more each time: in turn
		for i, release := range b.choose(3) {
			order, releases = append(order, i), append(releases, release)
			break
		}
	}
	releases[0]()
	releases[3]() // in flight now 0, 2, 1
	for i := range b.choose(3) {
		order = append(order, i)
	}
	if got, want := fmt.Sprint(order), "[0 1 2 0 1 0 2 1]"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Equals take turns also when there is never more than one request.
func TestBalanceTurns(t *testing.T) {
	var b balance
	var order []int
	for range 5 {
		for i, release := range b.choose(3) {
			order = append(order, i)
			release()
			break
		}
	}
	if got, want := fmt.Sprint(order), "[0 1 2 0 1]"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFrontLogsStderr(t *testing.T) {
	var log bytes.Buffer
	p := newPeer(t, answering(fault("PHP Warning: x\n"), out(good), end(0, 0)))
	f := frontOf(p.address)
	f.Log = slog.New(slog.NewTextHandler(&log, nil))
	if code, _ := serve(t, f, "GET", "/", nil); code != 200 {
		t.Error(code)
	}
	if got := log.String(); !strings.Contains(got, `msg="worker stderr"`) || !strings.Contains(got, `text="PHP Warning: x"`) {
		t.Errorf("%q", got)
	}
}
