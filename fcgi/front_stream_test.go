package fcgi

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// 1 GiB goes up and comes back, without the memory for it.
func TestFrontStreams(t *testing.T) {
	size := int64(256 << 20) // some times what the heap may grow to
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
	say, response := rawPost(t, server, firstBody+15)
	if _, err := io.CopyN(io.Discard, response.Body, firstBody); err != nil {
		t.Fatal(err)
	}
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

// rawPost sends the header of a request and as much of its body as a worker is not taken
// without. The rest goes to the connection as it is written. It returns with the header of
// the answer. (http.Client would buffer.)
func rawPost(t *testing.T, server *httptest.Server, size int) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", firstBody))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return conn, response
}

func TestFrontSpoolsChunkedBodies(t *testing.T) {
	check := settled(t)
	defer check()
	t.Run("server", testSpooling)
}

func testSpooling(t *testing.T) {
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
		conn, response := rawPost(t, server, firstBody+100_000)
		text, err := io.ReadAll(response.Body)
		if response.StatusCode != 413 || string(text) != "too large" || err != nil {
			t.Errorf("%v %q %v", response.Status, text, err)
		}
		// One that sends the rest although it was told not to go on is not reset.
		for range 2 {
			if _, err := fmt.Fprint(conn, strings.Repeat("x", 50_000)); err != nil {
				t.Error(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF || !response.Close {
			t.Errorf("%v, close %v", err, response.Close)
		}
		conn.Close()
	})
}

// A worker that dies during an upload is a 502, and the connection's last answer too.
func TestFrontWorkerDiesDuringUpload(t *testing.T) {
	p := newPeer(t, func(_ *peer, conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) })
	server := httptest.NewServer(frontOf(p.address))
	t.Cleanup(server.Close)
	_, response := rawPost(t, server, firstBody+100_000)
	if response.StatusCode != 502 || !response.Close {
		t.Errorf("%v, close %v", response.Status, response.Close)
	}
}

// A client that goes takes its connection to the worker along, and an upload that it
// broke off never looks complete to the worker.
func TestFrontClientGone(t *testing.T) {
	for name, request := range map[string]string{
		"waiting":   "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"uploading": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", firstBody),
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
	say, response := rawPost(t, server, firstBody+10)
	fmt.Fprint(say, "12345")
	time.Sleep(2 * f.Silence)
	fmt.Fprint(say, "67890")
	if text, err := io.ReadAll(response.Body); string(text) != "hello" || err != nil {
		t.Errorf("%q %v", text, err)
	}
}
