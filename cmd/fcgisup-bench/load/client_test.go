package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pages is a program with a page for each outcome.
var pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		fmt.Fprint(w, strings.Repeat("hello ", 20_000)) // several records
	case "/query":
		fmt.Fprint(w, r.URL.Query().Get("ms"))
	case "/500":
		http.Error(w, "no", http.StatusInternalServerError)
	case "/404":
		http.NotFound(w, r)
	case "/away":
		http.Redirect(w, r, "/", http.StatusFound)
	case "/hang":
		<-r.Context().Done()
	}
})

func TestClients(t *testing.T) {
	web := httptest.NewServer(pages)
	defer web.Close()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { _ = fcgi.Serve(listener, pages) }()
	for name, client := range map[string]Client{
		"http":    NewHTTP(strings.TrimPrefix(web.URL, "http://")),
		"fastcgi": NewFastCGI(socket, map[string]string{"SCRIPT_FILENAME": strings.Repeat("x", 300)}),
	} {
		t.Run(name, func(t *testing.T) {
			defer client.Close()
			for path, want := range map[string]Kind{"/": "", "/query?ms=5": "", "/500": ServerErr, "/404": OtherCode, "/away": OtherCode, "/hang": Timeout} {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				if path == "/hang" {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
				}
				if got := KindOf(client.Do(ctx, path)); got != want {
					t.Errorf("%s: %q, want %q", path, got, want)
				}
				cancel()
			}
		})
	}
}

// TestFastCGIAnswers: what real programs and broken ones send.
func TestFastCGIAnswers(t *testing.T) {
	record := func(kind byte, content string) string { return string(appendRecord(nil, kind, []byte(content))) }
	end := record(typeEnd, "\x00\x00\x00\x00\x00\x00\x00\x00")
	for name, test := range map[string]struct {
		answer string
		want   Kind
	}{
		"a page":                  {record(typeStdout, "Content-Type: text/plain\r\n\r\nhello") + record(typeStdout, "") + end, ""},
		"a status":                {record(typeStdout, "status: 503 No\r\n\r\n") + end, ServerErr},
		"only stderr":             {record(typeStderr, "oops") + record(typeStdout, "X: y\n\n") + end, ""},
		"a Perl program died":     {record(typeStderr, "died") + end, Protocol},
		"no header":               {record(typeStdout, "hello") + end, Protocol},
		"a status that is none":   {record(typeStdout, "Status:\r\n\r\n") + end, Protocol},
		"overloaded":              {record(typeEnd, "\x00\x00\x00\x00\x02\x00\x00\x00"), Protocol},
		"cut in a record":         {record(typeStdout, "Content-Type: a\n\n")[:12], Reset},
		"cut before the end":      {record(typeStdout, "Content-Type: a\n\n"), Reset},
		"nothing":                 {"", Reset},
		"HTTP":                    {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 70_000), Protocol},
		"an end without a status": {record(typeEnd, "\x00"), Protocol},
		"endless":                 {strings.Repeat(record(typeStdout, strings.Repeat("x", 65_000)), 20), Protocol},
	} {
		if got := KindOf(readAnswer(bufio.NewReader(strings.NewReader(test.answer)))); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(appendRecord(nil, typeStdout, []byte("Status: 200\n\n")))
	f.Add(appendRecord(nil, typeEnd, make([]byte, 8)))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = readAnswer(bufio.NewReader(strings.NewReader(string(data)))) // it ends, whatever comes
	})
}

func TestKinds(t *testing.T) {
	for err, want := range map[error]Kind{
		unix.EAGAIN: Full, unix.ECONNREFUSED: Refused, unix.ENOENT: Refused, unix.ECONNRESET: Reset, context.DeadlineExceeded: Timeout, errors.New("?"): Protocol, net.ErrClosed: Reset,
	} {
		if got := KindOf(fmt.Errorf("cannot: %w", err)); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if KindOf(nil) != "" {
		t.Error("success is a kind of failure")
	}
}

// TestNothingIsRepeated: a server answers the first request of each connection and ends it upon the second. A client
// that repeats that one on another connection would see no failure.
func TestNothingIsRepeated(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
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
			go answerOnce(conn)
		}
	}()
	client := NewHTTP(listener.Addr().String())
	defer client.Close()
	for i, want := range []Kind{"", Reset} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := client.Do(ctx, "/"); KindOf(err) != want {
			t.Errorf("request %d: %v, want %q", i+1, err, want)
		}
		cancel()
	}
}

func answerOnce(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	if _, err := http.ReadRequest(reader); err != nil {
		return
	}
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	_, _ = http.ReadRequest(reader)
}

func TestParseWrk(t *testing.T) {
	const good = "Running 1s test\n  27627 requests in 1.13s, 4.35MB read\nRequests/sec:  24411.75\nTransfer/sec:      3.84MB\n"
	for elapsed, want := range map[string]time.Duration{
		"1.13s": 1130 * time.Millisecond, "998.52ms": 998520 * time.Microsecond, "870.00us": 870 * time.Microsecond, "1.50m": 90 * time.Second, "1.00h": time.Hour,
	} {
		got, err := parseWrk([]byte(strings.ReplaceAll(good, "1.13s", elapsed)))
		if err != nil || got != (Throughput{Rate: 24411.75, Requests: 27627, Elapsed: want}) {
			t.Errorf("in %s: %+v, %v", elapsed, got, err)
		}
	}
	for _, bad := range []string{
		"", "  Non-2xx or 3xx responses: 12\n" + good, "  Socket errors: connect 0, read 3, write 0, timeout 0\n" + good, "Requests/sec:  24411.75\n",
		strings.ReplaceAll(good, "27627", "0"), strings.ReplaceAll(good, "27627", "99999999999999999999"), strings.ReplaceAll(good, "1.13s", "0.00us"), strings.ReplaceAll(good, "1.13s", "1.1.3s"),
	} {
		if _, err := parseWrk([]byte(bad)); err == nil {
			t.Errorf("%q is not an error", bad)
		}
	}
}
