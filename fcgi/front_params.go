package fcgi

import (
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// params returns the CGI variables of r (RFC 3875 section 4.1, and those that nginx's
// fastcgi_params adds). size is that of the body.
func (f *Front) params(r *http.Request, path string, size int64) map[string]string {
	params := headerParams(r.Header)
	uri := r.RequestURI
	if !strings.HasPrefix(uri, "/") {
		uri = r.URL.RequestURI() // a client may send an absolute URI
	}
	maps.Copy(params, map[string]string{
		"CONTENT_LENGTH":    strconv.FormatInt(size, 10),
		"CONTENT_TYPE":      r.Header.Get("Content-Type"),
		"DOCUMENT_URI":      r.URL.Path,
		"GATEWAY_INTERFACE": "CGI/1.1",
		"HTTP_HOST":         r.Host,
		"PATH_INFO":         path,
		"QUERY_STRING":      r.URL.RawQuery,
		"REDIRECT_STATUS":   "200",
		"REQUEST_METHOD":    r.Method,
		"REQUEST_SCHEME":    "http",
		"REQUEST_URI":       uri,
		"SCRIPT_NAME":       f.ScriptName,
		"SERVER_PROTOCOL":   r.Proto,
		"SERVER_SOFTWARE":   software,
	})
	if r.TLS != nil {
		params["HTTPS"] = "on"
		params["REQUEST_SCHEME"] = "https"
	}
	params["REMOTE_ADDR"], params["REMOTE_PORT"] = splitAddress(r.RemoteAddr)
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		params["SERVER_ADDR"], params["SERVER_PORT"] = splitAddress(local.String())
	}
	name, port := splitAddress(r.Host)
	params["SERVER_NAME"] = strings.Trim(name, "[]")
	switch {
	case port != "":
		params["SERVER_PORT"] = port
	case params["SERVER_PORT"] == "":
		params["SERVER_PORT"] = "80"
	}
	maps.Copy(params, f.Params)
	return params
}

// headerParams turns headers into HTTP_* variables. Names with anything but letters,
// digits and dashes are dropped, since X_User and X-User would be one variable; so is
// Proxy, which many HTTP clients read back as their proxy (CVE-2016-5385, httpoxy).
func headerParams(header http.Header) map[string]string {
	params := make(map[string]string, len(header)+20)
	for name, values := range header {
		switch {
		case name == "Proxy", name == "Content-Type", name == "Content-Length", !isPlain(name):
			continue
		}
		separator := ", "
		if name == "Cookie" {
			separator = "; "
		}
		params["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = strings.Join(values, separator)
	}
	return params
}

func isPlain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

func splitAddress(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}
	return host, port
}
