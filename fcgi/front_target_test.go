package fcgi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTargetOf(t *testing.T) {
	for _, tc := range []struct {
		line, host string
		code       int
		want       target
	}{
		{"GET /a%20b?q=//../ HTTP/1.1", "h", 200, target{"/a%20b?q=//../", "/a b", "h"}},
		{"GET //evil.example//x/ HTTP/1.1", "h:8080", 200, target{"/evil.example//x/", "/evil.example/x/", "h"}},
		{"GET /a/...//.b/c..?.. HTTP/1.1", "h:", 200, target{"/a/...//.b/c..?..", "/a/.../.b/c..", "h"}},
		{"GET http://other:81/x?y HTTP/1.1", "h", 200, target{"/x?y", "/x", "other"}},
		{"GET HTTPS://other HTTP/1.1", "h", 200, target{"/", "/", "other"}},
		{"GET http://other//x HTTP/1.1", "h", 200, target{"/x", "/x", "other"}},
		{"GET / HTTP/1.1", "[::1]:80", 200, target{"/", "/", "::1"}},
		{"GET / HTTP/1.1", "A-b_c.example.", 200, target{"/", "/", "A-b_c.example."}},
		{"GET / HTTP/1.1", "", 200, target{"/", "/", ""}},
		{"GET /a/../b HTTP/1.1", "h", 400, target{}},
		{"GET /a/%2e%2E/b HTTP/1.1", "h", 400, target{}},
		{"GET /a/..%2f..%2fetc HTTP/1.1", "h", 400, target{}},
		{"GET /a/.%2e HTTP/1.1", "h", 400, target{}},
		{"GET /. HTTP/1.1", "h", 400, target{}},
		{"GET http://other/../x HTTP/1.1", "h", 400, target{}},
		{"GET /%00 HTTP/1.1", "h", 400, target{}},
		{"GET * HTTP/1.1", "h", 400, target{}},
		{"GET file:///etc/passwd HTTP/1.1", "h", 400, target{}},
		{"GET mailto:x HTTP/1.1", "h", 400, target{}},
		{"GET / HTTP/1.1", "h:abc", 400, target{}},
		{"GET / HTTP/1.1", "h:0", 400, target{}},
		{"GET / HTTP/1.1", "h:1:2", 400, target{}},
		{"GET / HTTP/1.1", ":80", 400, target{}},
		{"GET / HTTP/1.1", "a..b", 400, target{}},
		{"GET / HTTP/1.1", "user@h", 400, target{}},
		{"GET / HTTP/1.1", "h%2fx", 400, target{}},
		{"GET / HTTP/1.1", "[::1", 400, target{}},
		{"GET / HTTP/1.1", "[::1]x", 400, target{}},
		{"GET / HTTP/1.1", "[h]", 400, target{}},
		{"CONNECT other:443 HTTP/1.1", "other:443", 405, target{}},
		{"TRACE / HTTP/1.1", "h", 405, target{}},
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(tc.line + "\r\nHost: " + tc.host + "\r\n\r\n")))
		if err != nil {
			t.Errorf("%s: %v", tc.line, err)
			continue
		}
		if got, code := targetOf(r); code != tc.code || got != tc.want {
			t.Errorf("%s, host %q: %d %+v, want %d %+v", tc.line, tc.host, code, got, tc.code, tc.want)
		}
	}
}

// The variables say where the request came in, not what the client says about it.
func TestFrontServerNameAndPort(t *testing.T) {
	p := newPeer(t, func(_ *peer, conn net.Conn) {
		_, params := takeRequest(conn)
		page := fmt.Sprintf("Content-Type: text/plain\n\n%s %s", params["SERVER_NAME"], params["SERVER_PORT"])
		_, _ = conn.Write(append(out(page), end(0, 0)...))
	})
	server := httptest.NewServer(frontOf(p.address))
	t.Cleanup(server.Close)
	_, port := splitAddress(server.Listener.Addr().String())
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: shop.example:443\r\n\r\n": "shop.example " + port,
		"GET / HTTP/1.0\r\n\r\n":                           "127.0.0.1 " + port,
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, request)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if text, _ := io.ReadAll(response.Body); string(text) != want {
			t.Errorf("%q: %q, want %q", request, text, want)
		}
	}
}

// A client that has not sent its body, or 64 KiB of it, holds no worker.
func TestFrontTakesNoWorkerForSlowBodies(t *testing.T) {
	connected := make(chan struct{}, 1)
	p := newPeer(t, func(_ *peer, conn net.Conn) {
		connected <- struct{}{}
		answering(out(good), end(0, 0))(nil, conn)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		frontOf(p.address).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	for name, sent := range map[string]int{"one byte": 1, "all but one": firstBody - 1} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n%s", bytes.Repeat([]byte("x"), sent))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != http.StatusRequestTimeout || !response.Close {
			t.Errorf("%s: %+v %v", name, response, err)
		}
		select {
		case <-connected:
			t.Errorf("%s: a worker was taken", name)
		default:
		}
	}
}
