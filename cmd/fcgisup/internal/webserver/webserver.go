package webserver

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/nginx"
)

// Kind is a web server.
type Kind string

// The web servers.
const (
	Apache   Kind = "apache"
	Caddy    Kind = "caddy"
	HAProxy  Kind = "haproxy"
	Lighttpd Kind = "lighttpd"
)

// Kinds are all there are.
var Kinds = []Kind{Apache, Caddy, HAProxy, Lighttpd}

// Name is the server's own name.
func (k Kind) Name() string {
	switch k {
	case Apache:
		return "Apache httpd"
	case Caddy:
		return "Caddy"
	case HAProxy:
		return "HAProxy"
	default:
		return "lighttpd"
	}
}

// Path is where the file of an app is below the output directory.
func Path(kind Kind, app string) string {
	switch kind {
	case Apache:
		return "apache/" + app + "-fastcgi.conf"
	case Caddy:
		return "caddy/" + app + "-fastcgi.caddy"
	case HAProxy:
		return "haproxy/" + app + "-fastcgi.cfg"
	default:
		return "lighttpd/50-" + app + "-fastcgi.conf" // lighty-enable-mod takes names that begin with a number
	}
}

// Installed is where a file of [Render] belongs when it is in use; ok says that it is one.
func Installed(path string) (place string, ok bool) {
	kind, file, _ := strings.Cut(path, "/")
	switch Kind(kind) {
	case Apache:
		return "/etc/apache2/conf-available/" + file, true
	case Caddy:
		return "/etc/caddy/" + file, true
	case HAProxy:
		return "/etc/haproxy/conf.d/" + file, true
	case Lighttpd:
		return "/etc/lighttpd/conf-available/" + file, true
	}
	return "", false
}

// Note is a key of the configuration that a server has no counterpart for.
type Note struct{ Key, Why string }

// Render returns the app's file for a web server and what is left out of it. generator is the command line that renders
// the file again. The error is about a value that the server cannot take at all.
func Render(kind Kind, app fcgisup.App, generator string) (fcgisup.File, []Note, error) {
	s := newSite(kind, app)
	s.comment(strings.TrimPrefix(nginx.Header, "# ") + generator)
	if len(app.Hosts) > 0 {
		s.note("hosts", "the instances of one host are in the file")
	}
	switch kind {
	case Apache:
		apache(s)
	case Caddy:
		caddy(s)
	case HAProxy:
		haproxy(s)
	default:
		lighttpd(s)
	}
	return fcgisup.File{Path: Path(kind, app.Name), Mode: 0o644, Data: []byte(s.b.String())}, s.notes, s.err
}

// site is one app's file while it is written.
type site struct {
	writer
	kind Kind
	app  fcgisup.App
	// prefix is the location without its last slash: "" for /, "/app" for /app and /app/.
	prefix string
	// slash is a location /app/: a request for /app is redirected to it.
	slash bool
	// scripts is the kind of program that runs the file which the path names.
	scripts fcgisup.Scripts
	notes   []Note
	err     error
}

func newSite(kind Kind, app fcgisup.App) *site {
	s := &site{kind: kind, app: app, prefix: strings.TrimRight(app.Nginx.Location, "/")}
	s.slash = s.prefix != "" && s.prefix != app.Nginx.Location
	if _, own := app.Nginx.Params["SCRIPT_FILENAME"]; !own {
		s.scripts = app.Scripts()
	}
	return s
}

// note records a key without a counterpart, here and as a comment.
func (s *site) note(key, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	s.notes = append(s.notes, Note{Key: "apps." + s.app.Name + "." + key, Why: why})
	s.comment(key + ": " + s.kind.Name() + " has no counterpart: " + why)
}

// refuse records the first value that the server cannot take.
func (s *site) refuse(key, format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("cannot render apps.%s.%s for %s: %s", s.app.Name, key, s.kind.Name(), fmt.Sprintf(format, args...))
	}
}

// backend is the name of what the instances are behind. Unlike nginx.upstream it is a name to every server.
func (s *site) backend() string { return s.app.Name + "_backend" }

// queues says that a full queue refuses connections at once: on TCP they wait.
func (s *site) queues() bool { return s.app.Listen.Network() == "unix" }

// connections is how many an instance gets at once. The number of automatic workers is known where they run only.
func (s *site) connections() int {
	workers := s.app.Workers.Max
	if s.app.Workers.Auto {
		workers = fcgisup.MaxWorkers
	}
	return workers * s.app.Web.Connections
}

// retryAfter is when a standing queue has been served, in whole seconds.
func (s *site) retryAfter() string {
	return strconv.FormatInt(max(wholeSeconds(s.app.Limits.QueueWait), 1), 10)
}

// queueWait is how long a request may wait in the server: limits.queue_wait, and as long as for an answer without one.
func (s *site) queueWait() time.Duration {
	if s.app.Limits.QueueWait > 0 {
		return s.app.Limits.QueueWait
	}
	return s.app.ReadTimeout()
}

// readTimeout is in whole seconds.
func (s *site) readTimeout() string {
	return strconv.FormatInt(wholeSeconds(s.app.ReadTimeout()), 10)
}

// wholeSeconds rounds up to what every server takes: milliseconds in 32 bits.
func wholeSeconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d%time.Second != 0 {
		n++
	}
	return min(n, math.MaxInt32/1000)
}

// dial is an address as a client connects to it: one that means "every address" to a listener is this host's.
func dial(a fcgisup.Address) string {
	host, port, err := net.SplitHostPort(a.Addr)
	if a.Network == "unix" || err != nil {
		return a.Addr
	}
	switch ip, _ := netip.ParseAddr(host); {
	case host == "" || ip == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case ip == netip.IPv6Unspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
