package fcgi

import (
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// params returns the CGI variables of r (RFC 3875 section 4.1, and those that nginx's
// fastcgi_params adds). info is PATH_INFO, size that of the body.
func (f *Front) params(r *http.Request, target target, info string, size int64) map[string]string {
	params := headerParams(r.Header)
	maps.Copy(params, map[string]string{
		"CONTENT_LENGTH":    strconv.FormatInt(size, 10),
		"CONTENT_TYPE":      r.Header.Get("Content-Type"),
		"DOCUMENT_URI":      target.path,
		"GATEWAY_INTERFACE": "CGI/1.1",
		"HTTP_HOST":         r.Host,
		"PATH_INFO":         info,
		"QUERY_STRING":      r.URL.RawQuery,
		"REDIRECT_STATUS":   "200",
		"REQUEST_METHOD":    r.Method,
		"REQUEST_SCHEME":    "http",
		"REQUEST_URI":       target.uri,
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
	if params["SERVER_PORT"] == "" {
		params["SERVER_PORT"] = "80"
	}
	params["SERVER_NAME"] = target.name
	if target.name == "" {
		params["SERVER_NAME"] = params["SERVER_ADDR"] // HTTP/1.0 needs no Host; RFC 3875 needs a name
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
