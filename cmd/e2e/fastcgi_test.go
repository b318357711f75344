package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The smallest FastCGI client that tells the truth: written here, not taken from package fcgi, so that the two
// cannot be wrong together. Record layout: FastCGI specification 3.3, types: section 8.
const (
	fcgiBegin  = 1
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
	fcgiStdout = 6
	fcgiStderr = 7
)

func fcgiRecord(kind byte, content []byte) []byte {
	header := []byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0}
	return append(header, content...)
}

func fcgiPair(name, value string) []byte {
	var pair []byte
	pair = binary.BigEndian.AppendUint32(pair, uint32(len(name))|1<<31)
	pair = binary.BigEndian.AppendUint32(pair, uint32(len(value))|1<<31)
	return append(append(pair, name...), value...)
}

// fcgilibWaits is how long a program with the FastCGI library leaves a connection to its unix socket open on which nothing arrives
// (READABLE_UNIX_FD_DROP_DEAD_TIMEVAL in its os_unix.c).
const fcgilibWaits = 2 * time.Second

// fcgiAsk sends one request for path?query, with the body, and gives the answer's whole standard output. What
// has no END_REQUEST is an error. extra are further parameters. If this process did not get to write while the library waits,
// which happens on a busy machine, it asks again: nothing was asked.
func fcgiAsk(network, address, target string, body []byte, extra map[string]string) (string, error) {
	for {
		begin := time.Now()
		answer, sent, err := fcgiTry(network, address, target, body, extra)
		if sent || !errors.Is(err, syscall.EPIPE) || time.Since(begin) < fcgilibWaits {
			return answer, err
		}
	}
}

func fcgiTry(network, address, target string, body []byte, extra map[string]string) (answer string, sent bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return "", false, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", false, err
	}
	if n, err := conn.Write(fcgiRequest(target, body, extra)); err != nil {
		return "", n > 0, err
	}
	answer, err = fcgiAnswer(conn)
	return answer, true, err
}

func fcgiRequest(target string, body []byte, extra map[string]string) []byte {
	path, query, _ := strings.Cut(target, "?")
	method := "GET"
	if len(body) > 0 {
		method = "POST"
	}
	params := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": method, "SERVER_PROTOCOL": "HTTP/1.1",
		"SERVER_NAME": "localhost", "SERVER_PORT": "80", "REMOTE_ADDR": "127.0.0.1",
		"SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_URI": target,
		"CONTENT_LENGTH": strconv.Itoa(len(body)), "REDIRECT_STATUS": "200",
	}
	for name, value := range extra {
		params[name] = value
	}
	var encoded []byte
	for name, value := range params {
		encoded = append(encoded, fcgiPair(name, value)...)
	}
	request := fcgiRecord(fcgiBegin, []byte{0, 1, 0, 0, 0, 0, 0, 0})
	request = append(request, fcgiRecord(fcgiParams, encoded)...)
	request = append(request, fcgiRecord(fcgiParams, nil)...)
	for len(body) > 0 {
		n := min(len(body), 65535)
		request = append(request, fcgiRecord(fcgiStdin, body[:n])...)
		body = body[n:]
	}
	return append(request, fcgiRecord(fcgiStdin, nil)...)
}

func fcgiAnswer(conn io.Reader) (string, error) {
	var stdout, stderr bytes.Buffer
	for {
		var header [8]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return "", fmt.Errorf("no END_REQUEST after %d bytes: %w (stderr %q)", stdout.Len(), err, stderr.String())
		}
		content := make([]byte, int(binary.BigEndian.Uint16(header[4:]))+int(header[6]))
		if _, err := io.ReadFull(conn, content); err != nil {
			return "", fmt.Errorf("cut within a record: %w", err)
		}
		content = content[:binary.BigEndian.Uint16(header[4:])]
		switch header[1] {
		case fcgiStdout:
			stdout.Write(content)
		case fcgiStderr:
			stderr.Write(content)
		case fcgiEnd:
			if len(content) != 8 || content[4] != 0 {
				return "", fmt.Errorf("END_REQUEST % x", content)
			}
			return stdout.String(), nil
		default:
			return "", fmt.Errorf("record of type %d", header[1])
		}
	}
}

// workerPID reads the last line of a page of testdata/apps.
func workerPID(page string) (int, error) {
	lines := strings.Split(strings.TrimSpace(page), "\n")
	text, found := strings.CutPrefix(lines[len(lines)-1], "pid ")
	if !found {
		return 0, errors.New("no pid at the end of " + strconv.Quote(page))
	}
	return strconv.Atoi(text)
}
