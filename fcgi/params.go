package fcgi

import (
	"maps"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// software is what workers read as SERVER_SOFTWARE.
const software = "fcgisup"

// Params returns the CGI variables that a probe sends for r (RFC 3875 section 4.1): the
// set every known FastCGI library needs to answer at all. r.Params override them.
//
// REQUEST_URI and PATH_INFO agree, since Plack computes the second from the first, and
// SERVER_PROTOCOL is there, since net/http/fcgi answers 500 to everything without it.
func Params(r Request) map[string]string {
	path, query, _ := strings.Cut(r.Path, "?")
	if path != "" && path[0] != '/' || path == "" && r.ScriptName == "" {
		path = "/" + path
	}
	uri := r.ScriptName + path
	if query != "" {
		uri += "?" + query
	}
	method := r.Method
	if method == "" {
		method = "GET"
	}
	name, host, port := hostParams(r.Host, r.Port)
	params := map[string]string{
		"CONTENT_LENGTH":    "0",
		"GATEWAY_INTERFACE": "CGI/1.1",
		"HTTP_HOST":         host,
		"HTTP_USER_AGENT":   software + "-probe",
		"PATH_INFO":         unescaped(path),
		"QUERY_STRING":      query,
		"REDIRECT_STATUS":   "200",
		"REMOTE_ADDR":       "127.0.0.1",
		"REQUEST_METHOD":    method,
		"REQUEST_URI":       uri,
		"SCRIPT_NAME":       r.ScriptName,
		"SERVER_NAME":       name,
		"SERVER_PORT":       port,
		"SERVER_PROTOCOL":   "HTTP/1.1",
		"SERVER_SOFTWARE":   software,
	}
	maps.Copy(params, r.Params)
	return params
}

// hostParams returns SERVER_NAME, HTTP_HOST and SERVER_PORT. The port of host counts
// when none is given; HTTP_HOST names it unless it is 80.
func hostParams(host string, port int) (name, header, number string) {
	if host == "" {
		host = "localhost"
	}
	name = host
	if h, p, err := net.SplitHostPort(host); err == nil {
		name = h
		if n, err := strconv.Atoi(p); err == nil && port == 0 {
			port = n
		}
	}
	name = strings.Trim(name, "[]")
	if port == 0 {
		port = 80
	}
	number = strconv.Itoa(port)
	switch {
	case port != 80:
		header = net.JoinHostPort(name, number)
	case strings.Contains(name, ":"):
		header = "[" + name + "]"
	default:
		header = name
	}
	return name, header, number
}

func unescaped(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}
