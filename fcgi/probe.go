package fcgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
)

// Bounds of a probe.
const (
	MaxAnswer      = 1 << 20          // bytes read of one answer, all records together
	MaxBody        = 64 << 10         // bytes of body kept, and matched by Expect.Body
	MaxStderr      = 64 << 10         // bytes of stderr kept
	MaxExcerpt     = 200              // bytes of Response.Excerpt
	DefaultTimeout = 30 * time.Second // of a Probe whose context has no deadline
)

// Request is one question to one worker's socket.
type Request struct {
	Network string // "unix" or "tcp"
	Address string // a socket path, or host:port

	Method     string            // default GET
	ScriptName string            // SCRIPT_NAME, the prefix the application is mounted under; may be empty
	Path       string            // below ScriptName, may carry ?query. Empty: a ping, and no request
	Host       string            // default localhost
	Port       int               // default 80
	Params     map[string]string // more CGI variables; they override all others
	Expect     fcgisup.Expect    // no Status: 200-399
}

// Response is what was learnt, as far as the exchange came. It is filled beside an
// error too.
type Response struct {
	Status int         // 0 without a header block, and for a ping
	Header http.Header // without Status
	Body   []byte      // the first MaxBody bytes
	Stderr []byte      // the first MaxStderr bytes; never a reason to fail, PHP warns on good pages
	// Excerpt is the first MaxExcerpt bytes as they came: status line, headers, body.
	Excerpt []byte

	AppStatus      uint32 // exit status of the request, from END_REQUEST; never a reason to fail
	ProtocolStatus ProtocolStatus
	Elapsed        time.Duration // from before the connect

	Values      map[string]string // of a ping: the worker's variables, often none
	Unsupported bool              // of a ping: the worker closed without an answer; it lives
}

// Probe asks r and reads the answer, at most until ctx ends. The error is nil when the
// answer is complete and as expected; otherwise it is an *Error, see ClassOf. Nothing of
// the exchange is left when it returns: no connection, no goroutine.
//
// Do not repeat a probe that timed out at once: an abandoned request is still served.
func Probe(ctx context.Context, r Request) (Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	start := time.Now()
	response, err := probe(ctx, r)
	response.Elapsed = time.Since(start)
	return response, err
}

func probe(ctx context.Context, r Request) (Response, error) {
	conn, err := dial(ctx, r.Network, r.Address)
	if err != nil {
		return Response{}, err
	}
	if r.Path == "" {
		return ping(ctx, conn)
	}
	body, stderr, excerpt := &capped{max: MaxBody}, &capped{max: MaxStderr}, &capped{max: MaxExcerpt}
	page := &page{body: body}
	x := exchange{params: Params(r), limit: MaxAnswer, stdout: io.MultiWriter(excerpt, page), stderr: stderr}
	v, err := x.run(ctx, conn)
	response := Response{
		Status: page.status, Header: page.header, Body: body.kept, Stderr: stderr.kept, Excerpt: excerpt.kept,
		AppStatus: v.app, ProtocolStatus: v.status,
	}
	for _, check := range []func() error{
		func() error { return unwrapConsumer(err) },
		v.protocolError,
		page.complete,
		func() error { return expected(response, r.Expect) },
	} {
		if err := check(); err != nil {
			return response, withStderr(err, stderr.kept)
		}
	}
	return response, nil
}

// unwrapConsumer shows the error of page, which has a class, in place of its wrapping.
func unwrapConsumer(err error) error {
	var consumer *consumerError
	if errors.As(err, &consumer) {
		return consumer.err
	}
	return err
}

// withStderr adds the first line of stderr to an error about the content: for a dead
// Perl or PHP program it holds the reason.
func withStderr(err error, stderr []byte) error {
	line, _, _ := strings.Cut(strings.TrimSpace(string(stderr)), "\n")
	if line == "" {
		return err
	}
	return failf(ClassOf(err), "%w; stderr: %.200q", err, line)
}

func expected(r Response, e fcgisup.Expect) error {
	want := e.Status
	if len(want) == 0 {
		want = []fcgisup.StatusRange{{Min: 200, Max: 399}}
	}
	if !slices.ContainsFunc(want, func(s fcgisup.StatusRange) bool { return s.Min <= r.Status && r.Status <= s.Max }) {
		return failf(Status, "status %d, expected %s", r.Status, strings.Trim(fmt.Sprint(want), "[]"))
	}
	if e.Body != nil && !e.Body.Match(r.Body) {
		return failf(Body, "the body does not match %q", e.Body)
	}
	return nil
}
