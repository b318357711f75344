package fcgi

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// target is what a request asks for.
type target struct {
	uri  string // REQUEST_URI: as the client sent it, but always a path
	path string // decoded, slashes merged, as nginx's $uri
	name string // the host without its port; empty: none was sent
}

// targetOf returns it, or the status to answer. Nothing is made right that a worker, or
// what stands before us, could read in another way: dot segments are refused, not resolved.
func targetOf(r *http.Request) (target, int) {
	name, ok := hostName(r.Host)
	switch {
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return target{}, http.StatusMethodNotAllowed
	case !ok, r.URL.Opaque != "", !strings.HasPrefix(r.RequestURI, "/") && r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return target{}, http.StatusBadRequest
	}
	t := target{uri: r.RequestURI, path: r.URL.Path, name: name}
	if !strings.HasPrefix(t.uri, "/") {
		t.uri = r.URL.RequestURI() // a client may send an absolute URI
	}
	if t.path == "" {
		t.path = "/"
	}
	if strings.HasPrefix(t.uri, "//") {
		t.uri = "/" + strings.TrimLeft(t.uri, "/") // "//other/x" is another host's in a Location
	}
	if t.path[0] != '/' || strings.Contains(t.path, "\x00") {
		return target{}, http.StatusBadRequest
	}
	for segment := range strings.SplitSeq(t.path, "/") {
		if segment == "." || segment == ".." {
			return target{}, http.StatusBadRequest
		}
	}
	for strings.Contains(t.path, "//") {
		t.path = strings.ReplaceAll(t.path, "//", "/")
	}
	return t, http.StatusOK
}

// hostName takes a Host apart (RFC 9110 section 7.2), and refuses what is not one: programs
// build links from it, and compare it.
func hostName(host string) (name string, ok bool) {
	if rest, ok := strings.CutPrefix(host, "["); ok {
		address, port, ok := strings.Cut(rest, "]")
		ip, err := netip.ParseAddr(address)
		return address, ok && err == nil && ip.Is6() && ip.Zone() == "" && (port == "" || port[0] == ':' && isPort(port[1:]))
	}
	name, port, found := strings.Cut(host, ":")
	if found && !isPort(port) || name == "" && host != "" {
		return "", false
	}
	for i := range len(name) {
		if c := name[i]; !isPlain(name[i:i+1]) && c != '.' && c != '_' {
			return "", false
		}
	}
	return name, !strings.Contains(name, "..")
}

// isPort accepts an empty port too, as the RFC does.
func isPort(s string) bool {
	if s == "" {
		return true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
