package chaos

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clientTimeout is how long a client waits for a whole answer: longer than any fault
// lasts, and than it takes to be well again.
const clientTimeout = 40 * time.Second

// Records of the FastCGI specification 3.3 and 8. They are made here and not by
// package fcgi, so that the two cannot be wrong together.
const (
	recBegin  = 1
	recEnd    = 3
	recParams = 4
	recStdin  = 5
	recStdout = 6
	recStderr = 7
)

func record(kind byte, content []byte) []byte {
	return append([]byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0}, content...)
}

func pair(name, value string) []byte {
	var p []byte
	p = binary.BigEndian.AppendUint32(p, uint32(len(name))|1<<31)
	p = binary.BigEndian.AppendUint32(p, uint32(len(value))|1<<31)
	return append(append(p, name...), value...)
}

// request is a whole request for path?query, POST if there is a body.
func request(target string, body []byte, script string) []byte {
	path, query, _ := strings.Cut(target, "?")
	method := "GET"
	if len(body) > 0 {
		method = "POST"
	}
	var params []byte
	for _, p := range [][2]string{
		{"GATEWAY_INTERFACE", "CGI/1.1"},
		{"REQUEST_METHOD", method},
		{"SERVER_PROTOCOL", "HTTP/1.1"},
		{"SERVER_NAME", "localhost"},
		{"SERVER_PORT", "80"},
		{"REMOTE_ADDR", "127.0.0.1"},
		{"SCRIPT_NAME", ""},
		{"PATH_INFO", path},
		{"QUERY_STRING", query},
		{"REQUEST_URI", target},
		{"CONTENT_LENGTH", strconv.Itoa(len(body))},
		{"REDIRECT_STATUS", "200"},
		{"SCRIPT_FILENAME", script},
	} {
		params = append(params, pair(p[0], p[1])...)
	}
	all := record(recBegin, []byte{0, 1, 0, 0, 0, 0, 0, 0})
	all = append(all, record(recParams, params)...)
	all = append(all, record(recParams, nil)...)
	for len(body) > 0 {
		n := min(len(body), 65535)
		all = append(all, record(recStdin, body[:n])...)
		body = body[n:]
	}
	return append(all, record(recStdin, nil)...)
}

// errWrong is an answer that is complete, and not FastCGI or not a success.
var errWrong = errors.New("wrong answer")

// answer reads standard output up to END_REQUEST.
func answer(conn io.Reader) (string, error) {
	var stdout, stderr bytes.Buffer
	for {
		var header [8]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return "", fmt.Errorf("no END_REQUEST after %d bytes: %w (stderr %q)", stdout.Len(), err, stderr.String())
		}
		length := int(binary.BigEndian.Uint16(header[4:]))
		content := make([]byte, length+int(header[6]))
		if _, err := io.ReadFull(conn, content); err != nil {
			return "", fmt.Errorf("cut within a record: %w", err)
		}
		content = content[:length]
		switch {
		case header[0] != 1:
			return "", fmt.Errorf("%w: a record of version %d", errWrong, header[0])
		case header[1] == recStdout:
			stdout.Write(content)
		case header[1] == recStderr:
			stderr.Write(content)
		case header[1] == recEnd && length == 8 && content[4] == 0:
			return stdout.String(), nil
		default:
			return "", fmt.Errorf("%w: a record of type %d: % x", errWrong, header[1], content)
		}
	}
}

// target is where to ask, and what the kernel calls it.
type target struct {
	network, address string
	// script is what php-cgi wants to be told.
	script string
}

// ask sends one request; connected is told the connection's mark in the
// kernel's tables: a socket's inode, or the client's port.
func (t target) ask(ctx context.Context, what string, body []byte, connected func(mark string)) (string, error) {
	// Made beforehand: libfcgi closes a connection on which nothing arrives for two seconds.
	whole := request(what, body, t.script)
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, t.network, t.address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if mark, err := markOf(conn); err == nil && connected != nil {
		connected(mark)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// What answers without reading all, a 503, may break this off and be read anyway.
	_, writing := conn.Write(whole)
	page, err := answer(conn)
	if err != nil && writing != nil {
		err = errors.Join(err, writing)
	}
	return page, err
}

// markOf is how ss(8) names the peer of a connection's other end.
func markOf(conn net.Conn) (string, error) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		return tcp.LocalAddr().String(), nil
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return "", errors.New("no descriptor")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	var st syscall.Stat_t
	if errControl := raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &st) }); errControl != nil {
		return "", errControl
	}
	return strconv.FormatUint(st.Ino, 10), err
}

// outcomeOf classifies an error of ask, or a page that is not as it should be.
func outcomeOf(page string, err error, right func(page string) bool) (Outcome, string) {
	switch {
	case err == nil && strings.HasPrefix(page, "Status: 503"):
		return Unavailable, ""
	case err == nil && right(page):
		return Answered, ""
	case err == nil:
		return Wrong, fmt.Sprintf("%.300q", page)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return Refused, err.Error()
	case errors.Is(err, syscall.EAGAIN) && isDial(err): // a timeout too, to package net
		return Full, err.Error()
	case errors.Is(err, errWrong):
		return Wrong, err.Error()
	}
	if n := net.Error(nil); errors.As(err, &n) && n.Timeout() {
		return Late, err.Error()
	}
	return Lost, err.Error()
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
