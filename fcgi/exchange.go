package fcgi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/yookoala/gofast"
)

// maxUnixPath is what sun_path holds besides its NUL, unix(7).
const maxUnixPath = 107

// dial connects before ctx ends. Every error has a class.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "unix" && len(address) > maxUnixPath {
		return nil, failf(Refused, "cannot connect to %s: a path of %d bytes, a unix socket's has at most %d: %w",
			address, len(address), maxUnixPath, syscall.EINVAL)
	}
	if network == "unix" {
		conn, err := dialUnix(ctx, address)
		if err != nil {
			return nil, dialError(address, err)
		}
		return conn, nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, dialError(address, err)
	}
	return conn, nil
}

// Connect connects and closes the connection: nothing is sent, and an error is as of
// [Probe].
func Connect(ctx context.Context, network, address string) error {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// exchange is one request over one connection.
type exchange struct {
	params   map[string]string
	body     io.Reader     // nil: none
	stopBody func()        // makes a Read of body that blocks return; may be nil
	silence  time.Duration // longest wait for the worker, 0: none
	limit    int64         // bytes of answer, 0: none
	stdout   io.Writer     // called by the goroutine of run
	stderr   io.Writer     // the same
}

// run sends the request, reads the answer and closes conn, all before ctx ends. It
// leaves nothing behind: gofast's goroutines have finished when it returns, also by panic
// of a writer.
func (x *exchange) run(ctx context.Context, conn net.Conn) (verdict, error) {
	clock, release := newClock(ctx, conn, x.silence)
	defer release()
	t := newTap(conn, clock, x.body)
	client, err := gofast.SimpleClientFactory(func() (net.Conn, error) { return t, nil })()
	if err != nil {
		return verdict{}, errors.Join(failf(Protocol, "internal error: gofast: %w", err), conn.Close())
	}
	// gofast never sees the end of ctx: its own way of giving up leaves goroutines behind.
	request := gofast.NewRequest(new(http.Request).WithContext(context.WithoutCancel(ctx)))
	request.Params = x.params
	pipe, err := client.Do(request)
	if err != nil {
		return verdict{}, errors.Join(failf(Protocol, "internal error: gofast: %w", err), conn.Close())
	}
	defer x.finish(t, client, pipe)
	answer := answerReader{
		wire: bufio.NewReaderSize(awaited{conn, clock}, 4096), id: requestID,
		limit: x.limit, stdout: x.stdout, stderr: x.stderr,
	}
	v, err := answer.read()
	if err != nil {
		err = x.explain(ctx, t, err)
	}
	return v, err
}

// finish drains gofast to its end and only then closes it, the one safe order: Close
// beside a living request is a nil dereference in gofast's goroutine.
func (x *exchange) finish(t *tap, client gofast.Client, pipe *gofast.ResponsePipe) {
	t.end()
	select {
	case <-t.sent:
	default:
		if x.stopBody != nil {
			x.stopBody()
		}
	}
	// What gofast has to say is about the END_REQUEST that the tap made up.
	_ = pipe.WriteTo(ignoredAnswer{}, io.Discard)
	_ = client.Close()
}

// explain finds the reason behind a failed read: who stopped the clock?
func (x *exchange) explain(ctx context.Context, t *tap, err error) error {
	var classed *Error
	var consumer *consumerError
	if errors.As(err, &classed) || errors.As(err, &consumer) {
		return err
	}
	select {
	case <-t.sent:
		if t.bodyErr != nil {
			return &consumerError{t.bodyErr}
		}
	default:
	}
	switch {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return failf(Timeout, "no complete answer: %w", context.Cause(ctx))
	case ctx.Err() != nil, isTimeout(err):
		return &Error{Class: Timeout, Err: lateError("no complete answer in time")}
	default:
		return &Error{Class: Protocol, Err: err}
	}
}

// ignoredAnswer is the http.ResponseWriter that gofast insists on.
type ignoredAnswer struct{}

func (ignoredAnswer) Header() http.Header         { return http.Header{} }
func (ignoredAnswer) Write(b []byte) (int, error) { return len(b), nil }
func (ignoredAnswer) WriteHeader(int)             {}
