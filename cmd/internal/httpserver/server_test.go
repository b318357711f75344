package httpserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections without any buffer, in virtual time.
type pipes struct {
	accept chan net.Conn
	done   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(t *testing.T) net.Conn {
	server, client := net.Pipe()
	t.Cleanup(func() { client.Close() })
	go func() {
		select {
		case p.accept <- server:
		case <-p.done:
			server.Close()
		}
	}()
	return client
}

// with runs a server in virtual time until test returns.
func with(t *testing.T, l Limits, h http.HandlerFunc, test func(t *testing.T, p *pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{accept: make(chan net.Conn), done: make(chan struct{})}
		s := New(h, l, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(p) }()
		test(t, p)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		time.Sleep(time.Minute) // for what lingers
	})
}

// endsAfter waits until the server ends the connection, reading nothing but the end.
func endsAfter(t *testing.T, what string, conn net.Conn, least, most time.Duration) {
	t.Helper()
	begin := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	if took := time.Since(begin); took < least || took > most {
		t.Errorf("%s: the connection ended after %v, want %v to %v", what, took, least, most)
	}
}

func echo(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

func TestSilentConnectionsEnd(t *testing.T) {
	with(t, Limits{}, echo, func(t *testing.T, p *pipes) {
		endsAfter(t, "nothing sent", p.dial(t), 10*time.Second, 11*time.Second)
		half := p.dial(t)
		fmt.Fprint(half, "GET / HTTP/1.1\r\nHost: x\r\n")
		endsAfter(t, "half a header", half, 10*time.Second, 11*time.Second)
		slow := p.dial(t)
		go func() {
			for _, err := fmt.Fprint(slow, "G"); err == nil; _, err = fmt.Fprint(slow, "E") {
				time.Sleep(time.Second)
			}
		}()
		endsAfter(t, "a header that trickles", slow, 10*time.Second, 11*time.Second)
		kept := p.dial(t)
		fmt.Fprint(kept, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		endsAfter(t, "kept without a second request", kept, time.Minute, 61*time.Second)
	})
}

func TestSlowBodiesEnd(t *testing.T) {
	var read chan error
	with(t, Limits{}, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	}, func(t *testing.T, p *pipes) {
		read = make(chan error, 1) // of the bubble
		for _, tc := range []struct {
			pause       time.Duration
			ends        bool
			least, most time.Duration
		}{
			{time.Second, true, 30 * time.Second, 32 * time.Second},
			{time.Second / 400, true, 2 * time.Minute, 5 * time.Minute}, // 400 bytes a second
			{time.Second / 600, false, 3 * time.Minute, 4 * time.Minute},
		} {
			conn := p.dial(t)
			begin := time.Now()
			go func() {
				fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 120000\r\n\r\n")
				for range 120_000 {
					if _, err := conn.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(tc.pause)
				}
			}()
			err := <-read
			if took := time.Since(begin); (err != nil) != tc.ends || took < tc.least || took > tc.most {
				t.Errorf("a byte each %v: %v after %v", tc.pause, err, took)
			}
			conn.Close()
		}
	})
}

// A handler that takes its time, and a client that waits for it, are both right.
func TestSlowHandlersLive(t *testing.T) {
	with(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 3 {
			time.Sleep(time.Hour)
			if r.Context().Err() != nil {
				t.Error("the request was ended:", r.Context().Err())
			}
			fmt.Fprint(w, "x")
			_ = http.NewResponseController(w).Flush()
		}
	}, func(t *testing.T, p *pipes) {
		for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"} {
			conn := p.dial(t)
			fmt.Fprint(conn, request)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(response.Body); string(text) != "xxx" || err != nil {
				t.Errorf("%.4s: %q %v", request, text, err)
			}
			conn.Close()
		}
	})
}

func TestSlowReadersEnd(t *testing.T) {
	var written chan error
	with(t, Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.Copy(w, strings.NewReader(strings.Repeat("x", 1<<20)))
		written <- err
	}, func(t *testing.T, p *pipes) {
		written = make(chan error, 1)
		conn := p.dial(t)
		begin := time.Now()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		go func() {
			for b := make([]byte, 10); ; time.Sleep(time.Second) {
				if _, err := conn.Read(b); err != nil {
					return
				}
			}
		}()
		if err := <-written; err == nil || time.Since(begin) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// A body that nothing reads, and small answers that nothing reads, hold nothing either: those
// are net/http's own reads and writes.
func TestRestsEnd(t *testing.T) {
	with(t, Limits{}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, func(t *testing.T, p *pipes) {
		conn := p.dial(t)
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
		go func() {
			for _, err := conn.Write([]byte("x")); err == nil; _, err = conn.Write([]byte("x")) {
				time.Sleep(time.Second)
			}
		}()
		endsAfter(t, "an unread body", conn, 0, 40*time.Second)
		unread := p.dial(t)
		fmt.Fprint(unread, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(40 * time.Second)
		endsAfter(t, "an unread answer", unread, 0, time.Second)
	})
}

// A deadline that the handler sets is the one that counts.
func TestHandlersOwnDeadline(t *testing.T) {
	with(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(5 * time.Minute))
		begin := time.Now()
		_, err := io.Copy(w, r.Body)
		if took := time.Since(begin); err == nil || took != 5*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
	}, func(t *testing.T, p *pipes) {
		conn := p.dial(t)
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
		endsAfter(t, "a silent body", conn, 5*time.Minute, 6*time.Minute)
	})
}

// Clients that send no request keep no client out, and those that are served are not cut.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	var release chan struct{}
	with(t, Limits{Connections: 3}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			<-release
		}
		fmt.Fprint(w, r.URL.Path)
	}, func(t *testing.T, p *pipes) {
		release = make(chan struct{})
		long := p.dial(t)
		fmt.Fprint(long, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
		stop := make(chan struct{})
		for range 10 { // more than there is room for, and each comes back
			go func() {
				for {
					select {
					case <-stop:
						return
					default:
						conn := p.dial(t)
						_, _ = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
						_, _ = io.Copy(io.Discard, conn)
					}
				}
			}()
		}
		time.Sleep(3 * time.Second)
		begin := time.Now()
		conn := p.dial(t)
		fmt.Fprint(conn, "GET /good HTTP/1.1\r\nHost: x\r\n\r\n")
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != 200 || time.Since(begin) > 15*time.Second {
			t.Errorf("%v %v after %v", response, err, time.Since(begin))
		}
		close(stop)
		close(release)
		if response, err := http.ReadResponse(bufio.NewReader(long), nil); err != nil || response.StatusCode != 200 {
			t.Errorf("the long request: %v %v", response, err)
		}
	})
}

// What follows a request of HTTP/1.0 is never taken for a second one.
func TestOldRequestsAreTheLast(t *testing.T) {
	with(t, Limits{}, echo, func(t *testing.T, p *pipes) {
		conn := p.dial(t)
		go fmt.Fprint(conn, "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /other HTTP/1.1\r\nHost: x\r\n\r\n")
		if text, _ := io.ReadAll(conn); strings.Count(string(text), "HTTP/1.") != 1 {
			t.Errorf("%q", text)
		}
	})
}
