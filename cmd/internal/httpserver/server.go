package httpserver

import (
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits are what a client may cost. The zero value of a field is its default.
type Limits struct {
	Connections int           // open at once; default DefaultConnections
	HeaderBytes int           // of a request's header; default 512 KiB
	Header      time.Duration // from the first byte of a request to the end of its header; default 10 s
	Idle        time.Duration // between two requests; default 60 s
	Stall       time.Duration // longest wait for a client that is behind Rate; default 30 s
	Rate        int           // bytes per second that a client must send or read on average; default 500
	Yield       time.Duration // how long a connection may be without a request when all are in use; default 1 s
}

// DefaultConnections is the most that a server has without a smaller limit.
const DefaultConnections = 1024

func (l Limits) withDefaults() Limits {
	set(&l.Connections, DefaultConnections)
	set(&l.HeaderBytes, 512<<10)
	set(&l.Header, 10*time.Second)
	set(&l.Idle, time.Minute)
	set(&l.Stall, 30*time.Second)
	set(&l.Rate, 500) // as Apache's RequestReadTimeout has it on Debian
	set(&l.Yield, time.Second)
	return l
}

func set[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Server is an http.Server with Limits. Its methods are those of http.Server.
type Server struct {
	*http.Server
	limits Limits
}

// New returns a server of h. The log gets, as debug messages, what net/http has to say of clients.
func New(h http.Handler, l Limits, log *slog.Logger) *Server {
	l = l.withDefaults()
	c := &crowd{limits: l, waiting: map[net.Conn]time.Time{}, leaving: map[net.Conn]bool{}}
	return &Server{limits: l, Server: &http.Server{
		Handler:           paced(h, l),
		ReadHeaderTimeout: l.Header,
		IdleTimeout:       l.Idle,
		MaxHeaderBytes:    l.HeaderBytes,
		ConnState:         c.changed,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve accepts connections of inner, which it closes at the end.
func (s *Server) Serve(inner net.Listener) error {
	return s.Server.Serve(limited(inner, s.limits.Connections))
}
