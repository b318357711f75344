package fcgi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	httpfcgi "net/http/fcgi"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

// serveGo runs a net/http/fcgi server until the test ends.
func serveGo(t testing.TB, network string, handler http.HandlerFunc) (address string) {
	t.Helper()
	address = "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "go")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = httpfcgi.Serve(l, handler) // ends with the listener
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestProbeOfGoServer(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			check := settled(t)
			defer check()
			t.Run("server", func(t *testing.T) {
				address := serveGo(t, network, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Seen", r.Method+" "+r.Host+" "+r.URL.RequestURI())
					w.WriteHeader(http.StatusNotFound)
					fmt.Fprint(w, "no such ticket")
				})
				r := Request{
					Network: network, Address: address, ScriptName: "/rt", Path: "/t?id=1", Host: "rt.example.org",
					Expect: fcgisup.Expect{Status: []fcgisup.StatusRange{{Min: 404, Max: 404}}, Body: regexp.MustCompile(`such\sticket`)},
				}
				response, err := Probe(within(t, time.Minute), r)
				if err != nil {
					t.Fatal(err)
				}
				got := fmt.Sprintf("%d %s %q %v", response.Status, response.Header.Get("X-Seen"), response.Body, response.Elapsed > 0)
				if want := `404 GET rt.example.org /rt/t?id=1 "no such ticket" true`; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}

				r.Expect.Body = regexp.MustCompile("^ticket")
				if _, err := Probe(within(t, time.Minute), r); ClassOf(err) != Body {
					t.Errorf("body: %v", err)
				}
				r.Expect = fcgisup.Expect{}
				if _, err := Probe(within(t, time.Minute), r); ClassOf(err) != Status || err.Error() != "status 404, expected 200-399" {
					t.Errorf("status: %v", err)
				}
				r.Path = ""
				if response, err := Probe(within(t, time.Minute), r); err != nil || response.Values["FCGI_MPXS_CONNS"] != "1" {
					t.Errorf("ping: %+v %v", response, err)
				}
			})
		})
	}
}

// One request is one write of BEGIN_REQUEST without keep-conn, PARAMS and STDIN. (A unix
// stream keeps the boundaries of writes that a reader of a large buffer sees, as long as
// it waits for none.)
func TestProbeIsOneWriteWithoutKeepConn(t *testing.T) {
	got := make(chan []byte, 1)
	p := newPeer(t, func(_ *peer, conn net.Conn) {
		b := make([]byte, 1<<16)
		n, _ := conn.Read(b)
		got <- b[:n]
		_, _ = conn.Write(append(out(good), end(0, 0)...))
	})
	r := Request{Network: "unix", Address: p.address, Path: "/x", Params: map[string]string{"LONG": strings.Repeat("v", 3000)}}
	if _, err := Probe(within(t, time.Minute), r); err != nil {
		t.Fatal(err)
	}
	b := <-got
	records, params := takeRequest(bytes.NewReader(b))
	var kinds []int
	for _, h := range records {
		kinds = append(kinds, int(h.kind))
	}
	if want := []int{typeBeginRequest, typeParams, typeParams, typeStdin}; !slices.Equal(kinds, want) {
		t.Errorf("records %v, want %v", kinds, want)
	}
	if b[headerLen+2] != 0 {
		t.Errorf("flags of BEGIN_REQUEST %d", b[headerLen+2])
	}
	if diff := cmp.Diff(Params(r), params); diff != "" {
		t.Error(diff)
	}
}

func TestProbeKeepsEvidence(t *testing.T) {
	p := newPeer(t, answering(out("Status: 500\n\nsorry"), fault("Can't locate RT.pm\nat line 1\n"), end(7, 0)))
	response, err := Probe(within(t, time.Minute), Request{Network: "unix", Address: p.address, Path: "/"})
	response.Elapsed = 0
	want := Response{
		Status: 500, Header: http.Header{}, Body: []byte("sorry"),
		Stderr: []byte("Can't locate RT.pm\nat line 1\n"), AppStatus: 7, Excerpt: []byte("Status: 500\n\nsorry"),
	}
	if diff := cmp.Diff(want, response); diff != "" {
		t.Error(diff)
	}
	if want := `status 500, expected 200-399; stderr: "Can't locate RT.pm"`; ClassOf(err) != Status || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestDialClasses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	datagram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/dgram", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer datagram.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	for _, tc := range []struct {
		network, address string
		want             Class
		text             string
		cause            error
	}{
		{"unix", dir + "/none", Missing, "no such file or directory", syscall.ENOENT},
		{"unix", write("file"), Refused, "connection refused", syscall.ECONNREFUSED},
		{"unix", dir + "/dgram", Refused, "not a stream socket", syscall.EPROTOTYPE},
		{"unix", "/" + strings.Repeat("x", 107), Refused, "a path of 108 bytes", syscall.EINVAL},
		{"unix", write("f") + "/s", Refused, "not a directory", syscall.ENOTDIR},
		{"tcp", closed, Refused, "connection refused", syscall.ECONNREFUSED},
		{"tcp", "no port", Refused, "missing port", nil},
		{"carrier pigeon", "x", Refused, "unknown network", nil},
	} {
		_, err := Probe(within(t, time.Minute), Request{Network: tc.network, Address: tc.address, Path: "/"})
		if ClassOf(err) != tc.want || !strings.Contains(err.Error(), tc.text) || tc.cause != nil && !errors.Is(err, tc.cause) {
			t.Errorf("%s: %q %v", tc.address, ClassOf(err), err)
		}
		if prefix := "cannot connect to " + tc.address + ": "; err != nil && !strings.HasPrefix(err.Error(), prefix) {
			t.Errorf("%v lacks %q", err, prefix)
		}
	}
}

func TestClassOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want Class
	}{
		{nil, ""},
		{failf(Full, "x"), Full},
		{fmt.Errorf("wrapped: %w", failf(Body, "x")), Body},
		{context.DeadlineExceeded, Timeout},
		{context.Canceled, Timeout},
		{os.ErrDeadlineExceeded, Timeout},
		{syscall.EAGAIN, Protocol}, // calls itself a timeout
		{io.EOF, Protocol},
		{dialError("a", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EAGAIN)}), Full},
		{dialError("a", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), Timeout},
		{dialError("a", syscall.EACCES), Refused},
	} {
		if got := ClassOf(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestPing(t *testing.T) {
	result := appendRecord(nil, typeGetValuesResult, 0, appendPairs(nil, map[string]string{"FCGI_MAX_CONNS": "1"}), 3)
	read := func(p *peer, conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }
	then := func(parts ...[]byte) func(*peer, net.Conn) {
		return func(p *peer, conn net.Conn) {
			read(p, conn)
			for _, part := range parts {
				_, _ = conn.Write(part)
			}
		}
	}
	hold := func(script func(*peer, net.Conn)) func(*peer, net.Conn) {
		return func(p *peer, conn net.Conn) { script(p, conn); <-p.done }
	}
	for _, tc := range []struct {
		name   string
		script func(*peer, net.Conn)
		class  Class
		want   Response
		wait   bool
	}{
		{"values", hold(then(result)), "", Response{Values: map[string]string{"FCGI_MAX_CONNS": "1"}}, false},
		{"values twice", hold(then(result, result)), "", Response{Values: map[string]string{"FCGI_MAX_CONNS": "1"}}, false},
		{"empty", hold(then(appendRecord(nil, typeGetValuesResult, 0, nil, 0))), "", Response{Values: map[string]string{}}, false},
		{"malformed pairs", hold(then(appendRecord(nil, typeGetValuesResult, 0, []byte{0xff, 1}, 0))), "", Response{Values: map[string]string{}}, false},
		{"unknown type", hold(then(appendRecord(nil, typeUnknownType, 0, make([]byte, 8), 0))), "", Response{Values: map[string]string{}}, false},
		{"end of file", read, "", Response{Unsupported: true}, false},
		{"cut short", then(result[:9]), Protocol, Response{}, false},
		{"an HTTP reply", hold(then([]byte("HTTP/1.1 400\r\n"))), Protocol, Response{}, false},
		{"a page", hold(then(out(good))), Protocol, Response{}, false},
		{"reset", reset, Protocol, Response{}, false},
		{"silence", hold(then()), Timeout, Response{}, true},
		{"half, then silence", hold(then(result[:9])), Timeout, Response{}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			check := settled(t)
			defer check()
			t.Run("peer", func(t *testing.T) {
				p := newPeer(t, tc.script)
				timeout := 20 * time.Second
				if tc.wait {
					timeout = hostileDeadline
				}
				response, err := Probe(within(t, timeout), Request{Network: "unix", Address: p.address})
				response.Elapsed = 0
				if diff := cmp.Diff(tc.want, response); diff != "" || ClassOf(err) != tc.class {
					t.Errorf("%v\n%s", err, diff)
				}
			})
		})
	}
}

// Without padding no libfcgi worker answers, and each blocks.
func TestPingIsPadded(t *testing.T) {
	b := pingRecord()
	h := parseHeader(b)
	if h.padding != 8 || h.id != 0 || h.kind != typeGetValues || len(b) != headerLen+h.length+8 {
		t.Errorf("%+v, %d bytes", h, len(b))
	}
	want := map[string]string{"FCGI_MAX_CONNS": "", "FCGI_MAX_REQS": "", "FCGI_MPXS_CONNS": ""}
	if diff := cmp.Diff(want, parsePairs(b[headerLen:headerLen+h.length])); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkProbe(b *testing.B) {
	address := serveGo(b, "unix", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	for name, path := range map[string]string{"request": "/", "ping": ""} {
		b.Run(name, func(b *testing.B) {
			ctx := within(b, time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Probe(ctx, Request{Network: "unix", Address: address, Path: path}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestProbeKeepsAnExcerpt: of an answer that is wrong in any way its first bytes are kept as they came, and no more.
func TestProbeKeepsAnExcerpt(t *testing.T) {
	long := "<html>\x1b[31m" + strings.Repeat("x", 2*MaxExcerpt)
	p := newPeer(t, answering(out(long), end(0, 0)))
	response, err := Probe(within(t, time.Minute), Request{Network: "unix", Address: p.address, Path: "/"})
	if ClassOf(err) != Protocol || string(response.Excerpt) != long[:MaxExcerpt] {
		t.Errorf("error %v, excerpt %q", err, response.Excerpt)
	}
}
