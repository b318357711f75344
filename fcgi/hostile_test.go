package fcgi

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostile peers, and honest ones that look odd. wait says that only the deadline can end it.
var hostile = []struct {
	name   string
	script func(*peer, net.Conn)
	want   Class
	wait   bool
	big    bool // a request larger than any socket buffer
}{
	{name: "an HTTP reply", script: holding([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), want: Protocol},
	{name: "header cut short", script: answering(out(good)[:5]), want: Protocol},
	{name: "content cut short", script: answering(out(good)[:14]), want: Protocol},
	{name: "padding cut short", script: answering(appendRecord(nil, typeStdout, 1, []byte(good), 200)[:60]), want: Protocol},
	{name: "closes at once", script: func(*peer, net.Conn) {}, want: Protocol},
	{name: "resets", script: reset, want: Protocol},
	{name: "half a record, then silence", script: holding(out(good)[:14]), want: Timeout, wait: true},
	{name: "half a header, then silence", script: holding(out(good)[:3]), want: Timeout, wait: true},
	{name: "never answers", script: holding(), want: Timeout, wait: true},
	{name: "never reads", script: func(p *peer, _ net.Conn) { <-p.done }, want: Timeout, wait: true, big: true},
	{name: "a byte per 100 ms", script: trickle, want: Timeout, wait: true},
	{name: "page without the end, then silence", script: holding(out(good)), want: Timeout, wait: true},
	{name: "page without the end, then closes", script: answering(out(good)), want: Protocol},
	{name: "end cut short", script: answering(out(good), end(0, 0)[:12]), want: Protocol},
	{name: "end without content", script: holding(out(good), appendRecord(nil, typeEndRequest, 1, nil, 0)), want: Protocol},
	{name: "overloaded", script: answering(end(0, WorkerOverloaded)), want: Overloaded},
	{name: "cannot multiplex", script: answering(end(0, CannotMultiplex)), want: Overloaded},
	{name: "unknown role", script: answering(end(0, UnknownRole)), want: Protocol},
	{name: "unknown protocol status", script: answering(out(good), end(0, 200)), want: Protocol},
	{name: "page and overloaded", script: answering(out(good), end(0, WorkerOverloaded)), want: Overloaded},
	{name: "page and application status 42", script: answering(out(good), end(42, 0)), want: ""},
	{name: "version 2", script: holding([]byte{2, 6, 0, 1, 0, 0, 0, 0}), want: Protocol},
	{name: "another request id", script: holding(appendRecord(nil, typeStdout, 2, []byte(good), 0), end(0, 0)), want: Protocol},
	{name: "request id 0", script: holding(appendRecord(nil, typeStdout, 0, []byte(good), 0), end(0, 0)), want: Protocol},
	{name: "unknown type 200", script: holding(appendRecord(nil, 200, 1, []byte("x"), 0), end(0, 0)), want: Protocol},
	{name: "our own request echoed", script: holding(appendRecord(nil, typeBeginRequest, 1, make([]byte, 8), 0)), want: Protocol},
	{name: "no header, more follows", script: holding(out("hello\n"), out("world")), want: Protocol},
	{name: "header line of 9000 bytes", script: answering(out("X-Long: "+strings.Repeat("x", 9000)+"\n\nbody"), end(0, 0)), want: ""},
	{name: "header without end", script: func(p *peer, c net.Conn) { flood(c, out("X: y\n")) }, want: Protocol},
	{name: "status in lower case", script: answering(out("status: 503\n\n"), end(0, 0)), want: Status},
	{name: "status 007", script: answering(out("Status: 007\n\n"), end(0, 0)), want: Protocol},
	{name: "status 600", script: answering(out("Status: 600\n\n"), end(0, 0)), want: Protocol},
	{name: "status of letters", script: answering(out("Status: fine\n\n"), end(0, 0)), want: Protocol},
	{name: "neither type nor status", script: answering(out("X-Only: this\n\nbody"), end(0, 0)), want: ""},
	{name: "empty answer, complete", script: answering(fault("died at x.pl line 7\n"), end(0, 0)), want: Protocol},
	{name: "header without blank line", script: answering(out("Content-Type: text/plain\n"), end(0, 0)), want: Protocol},
	{name: "blank line only", script: answering(out("\r\n\r\nhello"), end(0, 0)), want: Protocol},
	{name: "endless stdout", script: func(p *peer, c net.Conn) { flood(c, out(good)) }, want: Protocol},
	{name: "endless stderr", script: func(p *peer, c net.Conn) { flood(c, fault(strings.Repeat("e", 60000))) }, want: Protocol},
	{name: "endless empty records", script: func(p *peer, c net.Conn) { flood(c, bytes.Repeat(out(""), 1000)) }, want: Protocol},
	{name: "stderr amid the page", script: answering(out(good[:9]), fault("warning"), out(good[9:]), end(0, 0)), want: ""},
	{name: "rubbish after the end", script: holding(out(good), end(0, 0), []byte("\xff\xff\xff\xff")), want: ""},
	{name: "rubbish in the reserved bytes", script: answering(out(good), appendRecord(nil, typeEndRequest, 1, []byte{0, 0, 0, 0, 0, 9, 9, 9}, 3)), want: ""},
	{name: "answers without reading", script: func(p *peer, c net.Conn) { _, _ = c.Write(append(out(good), end(0, 0)...)); <-p.done }, want: "", big: true},
}

func trickle(p *peer, conn net.Conn) {
	takeRequest(conn)
	for _, b := range append(out(good+strings.Repeat("x", 1000)), end(0, 0)...) {
		if _, err := conn.Write([]byte{b}); err != nil {
			return
		}
		select {
		case <-p.done:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func flood(conn net.Conn, b []byte) {
	for {
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
}

// reset closes with unread input: the other side sees ECONNRESET.
func reset(_ *peer, conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
}

const (
	hostileDeadline = 400 * time.Millisecond
	patient         = time.Minute
	slack           = 5 * time.Second // for a machine under load, not for us
)

func TestProbeSurvivesHostilePeers(t *testing.T) {
	for _, tc := range hostile {
		t.Run(tc.name, func(t *testing.T) {
			check := settled(t)
			defer check()
			t.Run("peer", func(t *testing.T) {
				p := newPeer(t, tc.script)
				r := Request{Network: "unix", Address: p.address, Path: "/"}
				if tc.big {
					r.Params = map[string]string{"BIG": strings.Repeat("x", 4<<20)}
				}
				// Only where nothing but the deadline ends it, it may be short.
				timeout := patient
				if tc.wait {
					timeout = hostileDeadline
				}
				probeWithin(t, r, timeout, tc.want)
			})
		})
	}
}

func probeWithin(t *testing.T, r Request, timeout time.Duration, want Class) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	start := time.Now()
	response, err := Probe(ctx, r)
	limit := timeout + slack
	if timeout == patient {
		limit = patient / 2 // something else than the deadline must have ended it
	}
	if took := time.Since(start); took > limit {
		t.Errorf("took %v of %v", took, timeout)
	}
	if got := ClassOf(err); got != want {
		t.Errorf("class %q, want %q: %v (%+v)", got, want, err, response)
	}
	if len(response.Body) > MaxBody || len(response.Stderr) > MaxStderr {
		t.Errorf("kept %d bytes of body, %d of stderr", len(response.Body), len(response.Stderr))
	}
}

// A canceled context ends an exchange as a deadline does, while it writes and while it reads.
func TestProbeObeysCancel(t *testing.T) {
	for name, size := range map[string]int{"reading": 0, "writing": 4 << 20} {
		t.Run(name, func(t *testing.T) {
			check := settled(t)
			defer check()
			t.Run("peer", func(t *testing.T) {
				reached := make(chan struct{})
				p := newPeer(t, func(p *peer, conn net.Conn) { close(reached); <-p.done })
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go func() { <-reached; cancel() }()
				_, err := Probe(ctx, Request{
					Network: "unix", Address: p.address, Path: "/",
					Params: map[string]string{"BIG": strings.Repeat("x", size)},
				})
				if ClassOf(err) != Timeout || !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

// The accept queue of a unix socket is full: saturated, and said at once.
func TestFullQueue(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	path := t.TempDir() + "/s"
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	probeWithin(t, Request{Network: "unix", Address: path}, patient, Refused)
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	probeWithin(t, Request{Network: "unix", Address: path, Path: "/"}, patient, Full)
}
