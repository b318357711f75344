package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// headers keep a browser from doing with an answer what it is not for. A page
// may load only what this server has.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// With no-referrer a form's POST has "Origin: null", which over plain HTTP is
		// all that tells ours from another site's. Fetch Standard, "append a request Origin header".
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// localHost refuses a Host: that is not this machine as itself, unless there is
// a token: who presents that may come by any name.
func (s *server) localHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, _ := s.Token(); token == "" && !isLocal(r.Host) {
			fail(w, http.StatusMisdirectedRequest, "without a token this server answers to localhost only; a proxy can say so in Host:")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}
