package fcgi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Defaults of Front.
const (
	DefaultSilence    = 60 * time.Second
	DefaultSpoolLimit = 64 << 20
	DefaultRetryAfter = 5 * time.Second

	connectTimeout = 5 * time.Second
	frontStderr    = 64 << 10 // bytes of a request's stderr that are logged
)

// Backend is the listening socket of an instance.
type Backend struct {
	Network string // "unix" or "tcp"
	Address string // a socket path, or host:port
}

// Front is an http.Handler that passes requests to FastCGI workers, for machines without
// nginx. Each request goes to the backend with the fewest in flight, in turn among
// equals, and to the next one when it cannot connect (full, refused, missing, no answer
// to connect within 5 s), which is always before anything was sent.
//
// No worker is taken before the whole request body, or its first 64 KiB, is here. The rest
// and the response are streamed, flushed as they come, and never held whole. CGI wants
// CONTENT_LENGTH before the body, so a chunked request is first spooled to an unlinked
// temporary file, as nginx does. How long a client may take is the http.Server's to bound.
//
// Answers of its own: 502 when the worker's answer is wrong, 503 with Retry-After when no
// backend takes a connection or the worker says OVERLOADED, 504 when a worker stays
// silent, 413 and 411 for chunked bodies above or without SpoolLimit, 408 for a body that
// does not come, 404 outside ScriptName, 405 for CONNECT and TRACE, 400 for what a worker
// could misread: a target that is not a path, a path with NUL or dot segments (encoded
// ones included), a Host that is not one. An answer that breaks after its header has
// been passed on breaks the client's connection too: a part must not look like the whole.
// When the client goes, its connection to the worker is closed, as FastCGI's way of abort.
//
// The fields must not change while requests are served.
type Front struct {
	Backends   []Backend
	ScriptName string            // SCRIPT_NAME, the path prefix the application is mounted under; may be empty
	Params     map[string]string // more CGI variables, such as DOCUMENT_ROOT or SCRIPT_FILENAME; they override all others
	Silence    time.Duration     // longest wait for the worker to take or send a byte; 0: DefaultSilence
	SpoolLimit int64             // bytes of a chunked request body; 0: DefaultSpoolLimit, negative: answer 411
	SpoolDir   string            // default os.TempDir()
	RetryAfter time.Duration     // with 503; 0: DefaultRetryAfter
	Log        *slog.Logger      // failures and the workers' stderr; nil: discarded

	balance balance
}

// ServeHTTP passes r to a worker.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, code := targetOf(r)
	if code != http.StatusOK {
		f.log().Debug("request refused", "uri", r.RequestURI, "host", r.Host, "status", code)
		w.Header().Set("Connection", "close") // what follows may be no request either
		refuse(w, code)
		return
	}
	info, ok := pathInfo(target.path, f.ScriptName)
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, err := f.requestBody(r)
	if err != nil {
		f.refuseBody(w, r, err)
		return
	}
	defer body.Close()

	reply := &reply{
		w: w, control: http.NewResponseController(w), head: r.Method == http.MethodHead,
		request: r, body: body,
	}
	backend, err := f.pass(r, target, info, body, reply)
	if err == nil {
		return
	}
	f.logFailure(r, backend, err)
	if reply.started {
		panic(http.ErrAbortHandler) // net/http's way to break a connection
	}
	code = statusFor(err)
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", f.retryAfter())
	}
	reply.lastIfPending()
	refuse(w, code)
}

// pass tries the backends until one takes the connection, and serves r there.
func (f *Front) pass(r *http.Request, target target, info string, body *requestBody, reply *reply) (Backend, error) {
	var tried Backend
	lastErr := failf(Missing, "no backends")
	for i, release := range f.balance.choose(len(f.Backends)) {
		tried = f.Backends[i]
		ctx, cancel := context.WithTimeout(r.Context(), connectTimeout)
		conn, err := dial(ctx, tried.Network, tried.Address)
		cancel()
		if err != nil {
			release()
			if lastErr = err; r.Context().Err() != nil {
				break
			}
			continue
		}
		defer release()
		stderr := &capped{max: frontStderr}
		answer := &page{body: reply, onHead: reply.writeHead}
		x := exchange{
			params: f.params(r, target, info, body.size), silence: f.silence(),
			stdout: answer, stderr: stderr,
		}
		if body.size > 0 {
			x.body = body
		}
		if body.pending() {
			x.stopBody = reply.stopBody
			reply.prepare()
		}
		v, err := x.run(r.Context(), conn)
		f.logStderr(r, tried, stderr.kept)
		reply.resumeBody()
		return tried, errors.Join(err, v.protocolError(), answer.completeUnless(err))
	}
	return tried, lastErr
}

func (p *page) completeUnless(err error) error {
	if err != nil {
		return nil
	}
	return p.complete()
}

// statusFor is the HTTP status of a failure. A join's first class counts.
func statusFor(err error) int {
	var body *bodyError
	if errors.As(err, &body) {
		return body.code()
	}
	switch ClassOf(err) {
	case Full, Refused, Missing, Overloaded:
		return http.StatusServiceUnavailable
	case Timeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadGateway
	}
}

// pathInfo returns what follows prefix in path; false when path is not below it.
func pathInfo(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok || prefix != "" && rest != "" && rest[0] != '/' && !strings.HasSuffix(prefix, "/") {
		return "", false
	}
	return rest, true
}

func (f *Front) silence() time.Duration {
	if f.Silence > 0 {
		return f.Silence
	}
	return DefaultSilence
}

func (f *Front) retryAfter() string {
	d := f.RetryAfter
	if d <= 0 {
		d = DefaultRetryAfter
	}
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

func (f *Front) log() *slog.Logger {
	if f.Log != nil {
		return f.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (f *Front) logFailure(r *http.Request, b Backend, err error) {
	var gone *consumerError
	if r.Context().Err() != nil || errors.As(err, &gone) && !isClassed(gone.err) {
		f.log().Debug("client gone", "address", b.Address, "uri", r.RequestURI, "error", err)
		return
	}
	f.log().Warn("request failed", "address", b.Address, "uri", r.RequestURI, "class", ClassOf(err), "error", err)
}

func isClassed(err error) bool {
	var classed *Error
	return errors.As(err, &classed)
}

func (f *Front) logStderr(r *http.Request, b Backend, text []byte) {
	if s := strings.TrimSpace(string(text)); s != "" {
		f.log().Warn("worker stderr", "address", b.Address, "uri", r.RequestURI, "text", s)
	}
}

func refuse(w http.ResponseWriter, code int) {
	http.Error(w, strconv.Itoa(code)+" "+http.StatusText(code), code)
}
