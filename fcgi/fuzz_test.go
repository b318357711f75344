package fcgi

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"slices"
	"testing"
	"testing/iotest"
	"time"
)

func FuzzReadAnswer(f *testing.F) {
	f.Add(slices.Concat(out(good), end(0, 0)))
	f.Add(slices.Concat(out("Status: 302\nLocation: /\n\n"), fault("x"), end(1, 2)))
	f.Add(slices.Concat(appendRecord(nil, typeStdout, 1, []byte("A: b\r\n\r\n"), 255), end(0, 0)[:13]))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		whole := readFuzzed(bytes.NewReader(wire))
		// What is read does not depend on how it arrives.
		if parts := readFuzzed(iotest.OneByteReader(bytes.NewReader(wire))); whole != parts {
			t.Fatalf("at once %+v, in parts %+v", whole, parts)
		}
	})
}

type fuzzed struct {
	verdict verdict
	class   Class
	status  int
	body    string
}

func readFuzzed(r io.Reader) fuzzed {
	body := &capped{max: MaxBody}
	page := &page{body: body}
	a := answerReader{wire: bufio.NewReader(r), id: 1, limit: MaxAnswer, stdout: page, stderr: &capped{max: 16}}
	v, err := a.read()
	if err == nil {
		err = page.complete()
	}
	if err == nil && (page.status < 100 || page.status > 599 || page.header == nil) {
		panic("a complete page without a possible status")
	}
	return fuzzed{v, ClassOf(err), page.status, string(body.kept)}
}

func FuzzPairs(f *testing.F) {
	f.Add(appendPairs(nil, map[string]string{"A": "", "": "b", "LONG": string(make([]byte, 200))}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs := parsePairs(b)
		if again := parsePairs(appendPairs(nil, pairs)); !maps.Equal(pairs, again) {
			t.Fatalf("%q, then %q", pairs, again)
		}
	})
}

func FuzzUnavailable(f *testing.F) {
	request := appendRecord(nil, typeBeginRequest, 7, []byte{0, 1, 1, 0, 0, 0, 0, 0}, 0)
	f.Add(slices.Concat(request, appendRecord(nil, typeParams, 7, nil, 0), appendRecord(nil, typeStdin, 7, nil, 0)))
	f.Add(slices.Concat(pingRecord(), request))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		conn := &recordedConn{in: bytes.NewReader(input)}
		if err := Unavailable(context.Background(), conn, time.Second); err != nil || conn.out.Len() == 0 {
			return
		}
		// Whatever was sent is FastCGI, to its last byte.
		for b := conn.out.Bytes(); len(b) > 0; {
			if len(b) < headerLen {
				t.Fatalf("rest %q", b)
			}
			h := parseHeader(b)
			if n := headerLen + h.length + h.padding; h.version != version || n > len(b) {
				t.Fatalf("record %+v of %q", h, b)
			} else {
				b = b[n:]
			}
		}
	})
}

// recordedConn has been sent all it will ever be.
type recordedConn struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *recordedConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *recordedConn) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *recordedConn) SetDeadline(time.Time) error { return nil }
func (c *recordedConn) Close() error                { return nil }
