package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// cookieName and cookieAge are those of a browser's proof that it has shown the token.
const (
	cookieName = "fcgisup_monitor"
	cookieAge  = 30 * 24 * time.Hour
)

// authorized lets through who shows the token, where there is one.
func (s *server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, valid := s.Token()
		if token == "" || bears(r, token) {
			if r.Method == http.MethodGet { // a stream ends with its token; an action, once begun, does not
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				defer context.AfterFunc(valid, cancel)()
				r = r.WithContext(ctx)
			}
			next.ServeHTTP(w, r)
			return
		}
		if given := r.URL.Query().Get("token"); r.Method == http.MethodGet && same(given, token) {
			setCookie(w, r, token)
			query := r.URL.Query()
			query.Del("token") // out of the address line, and of the history
			to := *r.URL
			to.Scheme, to.Host, to.RawQuery = "", "", query.Encode()
			to.Path = "/" + strings.TrimLeft(to.Path, "/") // never another host's
			http.Redirect(w, r, to.RequestURI(), http.StatusSeeOther)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="fcgisup monitor"`)
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			s.drawLogin(w, http.StatusUnauthorized, "")
			return
		}
		fail(w, http.StatusUnauthorized, "a token is needed: Authorization: Bearer TOKEN")
	})
}

// bears reports whether a request carries the token or its cookie.
func bears(r *http.Request, token string) bool {
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return same(strings.TrimSpace(given), token)
	}
	c, err := r.Cookie(cookieName)
	return err == nil && same(c.Value, proof(token))
}

// same compares in a time that tells neither content nor length.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// proof stands for the token in a cookie: who reads the one has not the other,
// and another token ends it.
func proof(token string) string {
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte("fcgisup monitor, cookie"))
	return hex.EncodeToString(h.Sum(nil))
}

func setCookie(w http.ResponseWriter, r *http.Request, token string) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: proof(token), Path: "/", MaxAge: int(cookieAge.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || fromHere(r) && r.Header.Get("X-Forwarded-Proto") == "https",
	})
}

// fromHere reports whether a request comes from this host, as a proxy's does. Those
// of a unix socket have no port.
func fromHere(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err != nil || from.Addr().Unmap().IsLoopback()
}
