package fcgi

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// peer is a scripted server on a unix socket; script runs once per connection.
type peer struct {
	address string
	done    <-chan struct{} // closed when the peer is told to end
}

func newPeer(t testing.TB, script func(p *peer, conn net.Conn)) *peer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &peer{address: filepath.Join(t.TempDir(), "s"), done: ctx.Done()}
	l, err := net.Listen("unix", p.address)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				script(p, conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	return p
}

// takeRequest reads up to the end of STDIN, or of the connection.
func takeRequest(conn io.Reader) (records []recordHeader, params map[string]string) {
	var head [headerLen]byte
	var pairs []byte
	for {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return records, parsePairs(pairs)
		}
		h := parseHeader(head[:])
		records = append(records, h)
		content := make([]byte, h.length+h.padding)
		if _, err := io.ReadFull(conn, content); err != nil {
			return records, parsePairs(pairs)
		}
		switch {
		case h.kind == typeParams:
			pairs = append(pairs, content[:h.length]...)
		case h.kind == typeStdin && h.length == 0:
			return records, parsePairs(pairs)
		}
	}
}

// answering is a script that takes the request and sends the given bytes.
func answering(parts ...[]byte) func(*peer, net.Conn) {
	return func(_ *peer, conn net.Conn) {
		takeRequest(conn)
		for _, part := range parts {
			if _, err := conn.Write(part); err != nil {
				return
			}
		}
	}
}

// holding does the same and then keeps the connection open.
func holding(parts ...[]byte) func(*peer, net.Conn) {
	return func(p *peer, conn net.Conn) {
		answering(parts...)(p, conn)
		<-p.done
	}
}

func out(s string) []byte   { return appendRecord(nil, typeStdout, 1, []byte(s), -len(s)&7) }
func fault(s string) []byte { return appendRecord(nil, typeStderr, 1, []byte(s), 0) }
func end(app uint32, status ProtocolStatus) []byte {
	return appendEnd(nil, 1, app, status)
}

const good = "Content-Type: text/plain\r\n\r\nhello"

// settled fails the test unless goroutines and descriptors come back to the counts
// taken when it was called.
func settled(t *testing.T) (check func()) {
	t.Helper()
	// The runtime opens its poller with the first socket and keeps it.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	return func() {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			g, f := runtime.NumGoroutine(), openFiles(t)
			if g <= goroutines && f <= files {
				return
			}
			if time.Now().After(deadline) {
				stacks := make([]byte, 64<<10)
				t.Fatalf("%d goroutines and %d files, before %d and %d\n%s", g, f, goroutines, files,
					stacks[:runtime.Stack(stacks, true)])
			}
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc to count descriptors:", err)
	}
	return len(entries)
}
