package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Record types and roles of the FastCGI specification, section 8.
const (
	typeBegin  = 1
	typeEnd    = 3
	typeParams = 4
	typeStdin  = 5
	typeStdout = 6
	typeStderr = 7
)

// maxAnswer bounds one answer: what is measured here answers a line.
const maxAnswer = 1 << 20

// FastCGI asks a worker's socket itself, a connection per request, all of it sent in one write.
type FastCGI struct {
	network, address string
	params           map[string]string
}

// NewFastCGI asks a socket (its path, or host:port). params are added to what a web server sends, and win.
func NewFastCGI(address string, params map[string]string) *FastCGI {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	return &FastCGI{network, address, params}
}

// Do is one request of the responder role.
func (f *FastCGI) Do(ctx context.Context, path string) error {
	conn, err := new(net.Dialer).DialContext(ctx, f.network, f.address)
	if err != nil {
		return fmt.Errorf("cannot connect: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(f.request(path)); err != nil {
		return fmt.Errorf("cannot send: %w", err)
	}
	return readAnswer(bufio.NewReader(conn))
}

// Close has nothing to do: no connection is kept.
func (f *FastCGI) Close() {}

func (f *FastCGI) request(path string) []byte {
	name, query, _ := strings.Cut(path, "?")
	params := map[string]string{
		"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": name, "QUERY_STRING": query, "REQUEST_URI": path,
		"SERVER_PROTOCOL": "HTTP/1.1", "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
		"REMOTE_ADDR": "127.0.0.1", "CONTENT_LENGTH": "0", "REDIRECT_STATUS": "200",
	}
	for key, value := range f.params {
		params[key] = value
	}
	var body []byte
	for key, value := range params {
		body = appendLength(appendLength(body, len(key)), len(value))
		body = append(append(body, key...), value...)
	}
	out := appendRecord(nil, typeBegin, []byte{0, 1, 0, 0, 0, 0, 0, 0}) // responder, keep no connection
	out = appendRecord(out, typeParams, body)
	out = appendRecord(out, typeParams, nil)
	return appendRecord(out, typeStdin, nil)
}

func appendLength(b []byte, n int) []byte {
	if n < 128 {
		return append(b, byte(n))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)|1<<31)
}

func appendRecord(b []byte, kind byte, content []byte) []byte {
	b = append(b, 1, kind, 0, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(content)))
	return append(append(b, 0, 0), content...)
}

// readAnswer wants END_REQUEST with "complete" and a header block: a Perl program that dies sends the first without the
// second.
func readAnswer(r *bufio.Reader) error {
	var out bytes.Buffer
	for read := 0; ; {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fmt.Errorf("cannot read the answer: %w", err)
		}
		content := make([]byte, int(binary.BigEndian.Uint16(head[4:]))+int(head[6]))
		if _, err := io.ReadFull(r, content); err != nil {
			return fmt.Errorf("cannot read the answer: %w", err)
		}
		content = content[:binary.BigEndian.Uint16(head[4:])]
		if read += len(content); head[0] != 1 || read > maxAnswer {
			return &Failure{Protocol, errors.New("no FastCGI, or too much of it")}
		}
		switch head[1] {
		case typeStdout:
			out.Write(content)
		case typeStderr:
		case typeEnd:
			if len(content) < 5 || content[4] != 0 {
				return &Failure{Protocol, errors.New("the worker refused the request")}
			}
			return judge(out.Bytes())
		default:
			return &Failure{Protocol, fmt.Errorf("record of type %d", head[1])}
		}
	}
}

// judge reads the CGI header block (RFC 3875, section 6); without Status it means 200.
func judge(page []byte) error {
	for line := range bytes.Lines(page) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			break
		}
		if bytes.EqualFold(name, []byte("Status")) {
			code, _, _ := strings.Cut(strings.TrimSpace(string(value)), " ")
			status, err := strconv.Atoi(code)
			if err != nil || status < 100 || status > 599 {
				return &Failure{Protocol, fmt.Errorf("status %q", code)}
			}
			return statusFailure(status)
		}
	}
	return &Failure{Protocol, errors.New("an answer without a header")}
}
