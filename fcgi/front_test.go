package fcgi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
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

func TestFrontAnswers(t *testing.T) {
	long := strings.Repeat("x", 9000)
	for _, tc := range []struct {
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
		{name: "long header line", script: answering(out("X-Long: "+long+"\n\n"), end(0, 0)), code: 200, header: http.Header{"X-Long": {long}}},
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
	} {
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
	releases[2]() // now 2, 2, 0
	for i := range b.choose(3) {
		order = append(order, i)
	}
	if got, want := fmt.Sprint(order), "[0 1 2 0 1 2 0 1]"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// 1 GiB goes up and comes back, without the memory for it.
func TestFrontStreams(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	address := serveGo(t, "unix", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	server := httptest.NewServer(&Front{Backends: []Backend{{"unix", address}}})
	defer server.Close()
	var peak atomic.Uint64
	stop := make(chan struct{})
	defer close(stop)
	go watchHeap(&peak, stop)
	up, down := sha256.New(), sha256.New()
	request, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, io.TeeReader(io.LimitReader(endless{}, size), up))
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = size
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	n, err := io.Copy(down, response.Body)
	if err != nil || n != size || !bytes.Equal(up.Sum(nil), down.Sum(nil)) {
		t.Errorf("%d of %d bytes back, %v", n, size, err)
	}
	if p := peak.Load(); p > 40<<20 {
		t.Errorf("heap grew to %d MiB", p>>20)
	}
}

func watchHeap(peak *atomic.Uint64, stop <-chan struct{}) {
	var stats runtime.MemStats
	for {
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Millisecond):
			runtime.ReadMemStats(&stats)
			peak.Store(max(peak.Load(), stats.HeapAlloc))
		}
	}
}

// What one side says the other hears before the first has finished.
func TestFrontFlushesBothWays(t *testing.T) {
	p := newPeer(t, func(_ *peer, conn net.Conn) {
		in := bufio.NewReader(conn)
		_, _ = conn.Write(out("Content-Type: text/plain\n\n"))
		for {
			var head [headerLen]byte
			if _, err := io.ReadFull(in, head[:]); err != nil {
				return
			}
			h := parseHeader(head[:])
			content := make([]byte, h.length+h.padding)
			if _, err := io.ReadFull(in, content); err != nil {
				return
			}
			if h.kind != typeStdin {
				continue
			}
			if h.length == 0 {
				_, _ = conn.Write(end(0, 0))
				return
			}
			_, _ = conn.Write(out(strings.ToUpper(string(content[:h.length]))))
		}
	})
	server := httptest.NewServer(frontOf(p.address))
	t.Cleanup(server.Close)
	say, response := rawPost(t, server, 15)
	for _, word := range []string{"hello", "there", "again"} {
		fmt.Fprint(say, word)
		heard := make([]byte, 5)
		if _, err := io.ReadFull(response.Body, heard); err != nil || string(heard) != strings.ToUpper(word) {
			t.Fatalf("%q %v", heard, err)
		}
	}
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

// rawPost sends the header of a request, whose body then goes to the connection as it is
// written, and returns with the header of the answer. (http.Client would buffer.)
func rawPost(t *testing.T, server *httptest.Server, size int) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return conn, response
}

func TestFrontSpoolsChunkedBodies(t *testing.T) {
	address := serveGo(t, "unix", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.ContentLength, " ", len(b), " ", err)
	})
	dir := t.TempDir()
	for _, tc := range []struct {
		limit int64
		size  int64
		code  int
		text  string
	}{
		{0, 100_000, 200, "100000 100000 <nil>"},
		{1000, 1000, 200, "1000 1000 <nil>"},
		{1000, 1001, 413, "413 Request Entity Too Large\n"},
		{-1, 1, 411, "411 Length Required\n"},
	} {
		f := &Front{Backends: []Backend{{"unix", address}}, SpoolLimit: tc.limit, SpoolDir: dir}
		code, text := serve(t, f, "POST", "/", io.LimitReader(endless{}, tc.size))
		if code != tc.code || text != tc.text {
			t.Errorf("limit %d, size %d: %d %q", tc.limit, tc.size, code, text)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The answer to an unfinished upload reaches the client, and nothing waits for the rest.
func TestFrontAnswersBeforeTheBody(t *testing.T) {
	check := settled(t)
	defer check()
	t.Run("peer", func(t *testing.T) {
		p := newPeer(t, func(_ *peer, conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write(append(out("Status: 413\n\ntoo large"), end(0, 0)...))
		})
		server := httptest.NewServer(frontOf(p.address))
		defer server.Close()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nonly this")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if response.StatusCode != 413 || string(text) != "too large" {
			t.Errorf("%v %q %v", response.Status, text, err)
		}
	})
}

// A client that goes takes its connection to the worker along, and an upload that it
// broke off never looks complete to the worker.
func TestFrontClientGone(t *testing.T) {
	for name, request := range map[string]string{
		"waiting":   "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"uploading": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nonly this",
	} {
		t.Run(name, func(t *testing.T) {
			check := settled(t)
			defer check()
			t.Run("peer", func(t *testing.T) {
				begun, records := make(chan struct{}), make(chan []recordHeader, 1)
				p := newPeer(t, func(_ *peer, conn net.Conn) {
					_, _ = conn.Read(make([]byte, headerLen+8)) // BEGIN_REQUEST
					close(begun)
					seen, _ := takeRequest(conn)
					_, _ = io.Copy(io.Discard, conn) // until the front closes
					records <- seen
				})
				server := httptest.NewServer(frontOf(p.address))
				defer server.Close()
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprint(conn, request)
				<-begun
				conn.Close()
				select {
				case seen := <-records:
					if last := seen[len(seen)-1]; name == "uploading" && last.length == 0 && last.kind == typeStdin {
						t.Error("the worker saw the end of STDIN")
					}
				case <-time.After(time.Minute):
					t.Error("the worker's connection is still open")
				}
			})
		})
	}
}

// Silence counts only while the worker is awaited, not while the client pauses.
func TestFrontWaitsForSlowClients(t *testing.T) {
	p := newPeer(t, func(p *peer, conn net.Conn) {
		_, _ = conn.Write(out("Content-Type: text/plain\n\nhello"))
		takeRequest(conn)
		_, _ = conn.Write(end(0, 0))
	})
	f := frontOf(p.address)
	f.Silence = time.Second
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	say, response := rawPost(t, server, 10)
	fmt.Fprint(say, "12345")
	time.Sleep(2 * f.Silence)
	fmt.Fprint(say, "67890")
	if text, err := io.ReadAll(response.Body); string(text) != "hello" || err != nil {
		t.Errorf("%q %v", text, err)
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

// A panic of the HTTP side passes through, and leaves nothing behind.
func TestExchangeSurvivesPanics(t *testing.T) {
	check := settled(t)
	defer check()
	t.Run("peer", func(t *testing.T) {
		p := newPeer(t, holding(out(good)))
		conn, err := dial(t.Context(), "unix", p.address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		x := exchange{stdout: panics{}, stderr: io.Discard, body: panics{}}
		_, _ = x.run(context.WithoutCancel(t.Context()), conn)
	})
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("writer") }
func (panics) Read([]byte) (int, error)  { return 0, io.EOF }

// A body that panics does so in gofast's goroutine: it must stay an error.
func TestExchangeSurvivesPanickingBody(t *testing.T) {
	p := newPeer(t, holding())
	conn, err := dial(t.Context(), "unix", p.address)
	if err != nil {
		t.Fatal(err)
	}
	x := exchange{stdout: io.Discard, stderr: io.Discard, body: panickingBody{}}
	if _, err := x.run(within(t, time.Minute), conn); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Error(err)
	}
}

type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic("body") }
