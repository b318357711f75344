// Package fcgi asks FastCGI workers questions, and answers for those that cannot live.
// It is everything of fcgisup that speaks FastCGI.
//
//	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
//	defer cancel()
//	r := fcgi.Request{Network: "unix", Address: "/run/rt1.sock", ScriptName: "/rt", Path: "/static/images/bpslogo.png"}
//	response, err := fcgi.Probe(ctx, r)
//	switch fcgi.ClassOf(err) {
//	case "":              // answered, complete, as expected
//	case fcgi.Full:       // busy, not dead
//	case fcgi.Overloaded: // busy, says the worker itself
//	case fcgi.Timeout:    // busy or stuck: ask the kernel which
//	default:              // dead or wrong: err says how, response keeps the evidence
//	}
//
// [Probe] sends one complete request and reads one complete answer. Without a path it
// sends a ping instead (FCGI_GET_VALUES), which no application sees and which is not
// served later when it was abandoned. [Front] is an HTTP server's way to the workers where
// there is no nginx. [Unavailable] answers 503 on an accepted connection.
//
// # What it promises
//
// An exchange ends when its context does, the dial included, whatever the peer sends,
// withholds or refuses to read, and leaves no goroutine and no descriptor. An answer is
// good only if every record is valid (version, request id, type), END_REQUEST was seen, its
// protocol status is "complete", and there was a CGI header block: a Perl program that
// dies ends its request as properly as one that answers, but for the header. What is read
// and kept is bounded: see the constants. Each connection serves one request and is closed;
// FCGI_KEEP_CONN is never set, since a kept connection parks a single-threaded worker.
//
// # What it refuses
//
// It does not retry what was sent, pool connections, multiplex, or speak the authorizer
// and filter roles. It does not judge: whether a failed probe costs a worker its life is
// the supervisor's decision. It never connects by itself, so nothing here wakes a sleeping
// instance unasked. Front knows no TLS, no caching and no static files: that is nginx's work.
//
// # How it uses gofast
//
// github.com/yookoala/gofast v0.8.0 encodes requests. Left alone it sets keep-conn,
// discards protocol and application status, takes a truncated answer for status 200, can
// hang in Close and can crash the process from a goroutine of its own. It therefore gets a
// connection made here (tap), which gathers what gofast writes, clears the flag, sends
// the request in one write followed by the body, and shows gofast a single END_REQUEST
// once the answer has been read elsewhere. gofast is always drained before it is closed.
package fcgi
