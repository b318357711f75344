package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

const theToken = "correct horse battery"

// site is a server with a report; token may be empty.
type site struct {
	*httptest.Server
	token     string
	valid     context.Context
	feed      monitor.Feed
	restarted []string
}

func newSite(t *testing.T, token string) *site {
	t.Helper()
	s := &site{token: token, valid: context.Background()}
	s.feed.Publish(&monitor.Report{Host: "h", At: time.Now(), Apps: []monitor.App{{Name: "a"}, {Name: "b"}}})
	text := func(words string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(words)) })
	}
	s.Server = httptest.NewServer(Handler(Options{
		Feed: &s.feed, Page: text("the page"), Metrics: text("metrics"), Loopback: true, Fresh: time.Minute,
		Alerts: func() any { return []string{} },
		Token:  func() (string, context.Context) { return s.token, s.valid },
		Restart: func(_ context.Context, app string, number int) error {
			if app == "bad" {
				return errors.New("no")
			}
			s.restarted = append(s.restarted, app+strings.Repeat("+", number))
			return nil
		},
	}))
	t.Cleanup(s.Close)
	return s
}

// ask sends a request; headers are "Name: value".
func (s *site) ask(t *testing.T, method, target string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, v, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = v
		}
		r.Header.Set(name, v)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestAccess(t *testing.T) {
	const bearer = "Authorization: Bearer " + theToken
	cookie := "Cookie: " + cookieName + "=" + proof(theToken)
	for name, c := range map[string]struct {
		token, method, target string
		headers               []string
		want                  int
	}{
		"page, no token":                           {"", "GET", "/", nil, 200},
		"status, no token":                         {"", "GET", "/api/v1/status", nil, 200},
		"one app":                                  {"", "GET", "/api/v1/status?app=b", nil, 200},
		"no such app":                              {"", "GET", "/api/v1/status?app=c", nil, 404},
		"no such call":                             {"", "GET", "/api/v1/nonsense", nil, 404},
		"alerts":                                   {"", "GET", "/api/v1/alerts", nil, 200},
		"an action without any token":              {"", "POST", "/api/v1/restart?app=a", nil, 403},
		"an action by GET":                         {theToken, "GET", "/api/v1/restart?app=a", []string{bearer}, 404},
		"another host's name":                      {"", "GET", "/", []string{"Host: evil.example"}, 421},
		"another host's name for this":             {"", "GET", "/api/v1/status", []string{"Host: 127.0.0.1.evil.example:9180"}, 421},
		"localhost":                                {"", "GET", "/", []string{"Host: LocalHost:9180"}, 200},
		"ipv6":                                     {"", "GET", "/", []string{"Host: [::1]:9180"}, 200},
		"any name with the token":                  {theToken, "GET", "/", []string{"Host: fleet.example", bearer}, 200},
		"healthz needs none":                       {theToken, "GET", "/healthz", nil, 200},
		"the style sheet needs none":               {theToken, "GET", "/assets/page.css", nil, 200},
		"the form over plain HTTP":                 {theToken, "POST", "/login", []string{"Host: fleet.example:9180", "Origin: http://fleet.example:9180"}, 401},
		"another site's form over plain HTTP":      {theToken, "POST", "/login", []string{"Host: fleet.example:9180", "Origin: null"}, 403},
		"page without the token":                   {theToken, "GET", "/", nil, 401},
		"stream without the token":                 {theToken, "GET", "/events", nil, 401},
		"metrics without the token":                {theToken, "GET", "/metrics", nil, 401},
		"status without the token":                 {theToken, "GET", "/api/v1/status", nil, 401},
		"action without the token":                 {theToken, "POST", "/api/v1/restart?app=a", nil, 401},
		"wrong token":                              {theToken, "GET", "/", []string{bearer + "x"}, 401},
		"half a token":                             {theToken, "GET", "/", []string{"Authorization: Bearer correct"}, 401},
		"empty token":                              {theToken, "GET", "/", []string{"Authorization: Bearer "}, 401},
		"another scheme":                           {theToken, "GET", "/", []string{"Authorization: Basic " + theToken}, 401},
		"the token":                                {theToken, "GET", "/", []string{bearer}, 200},
		"the cookie":                               {theToken, "GET", "/", []string{cookie}, 200},
		"the token as a cookie":                    {theToken, "GET", "/", []string{"Cookie: " + cookieName + "=" + theToken}, 401},
		"the cookie of another token":              {theToken, "GET", "/", []string{"Cookie: " + cookieName + "=" + proof("old")}, 401},
		"wrong token in the address":               {theToken, "GET", "/?token=wrong", nil, 401},
		"action":                                   {theToken, "POST", "/api/v1/restart?app=a&instance=2", []string{bearer}, 200},
		"action of a page of ours":                 {theToken, "POST", "/api/v1/restart?app=a", []string{cookie, "Sec-Fetch-Site: same-origin"}, 200},
		"action of another site's page":            {theToken, "POST", "/api/v1/restart?app=a", []string{cookie, "Sec-Fetch-Site: cross-site"}, 403},
		"action of another port's page":            {theToken, "POST", "/api/v1/restart?app=a", []string{cookie, "Sec-Fetch-Site: same-site"}, 403},
		"action of an old browser's page":          {theToken, "POST", "/api/v1/restart?app=a", []string{cookie, "Origin: https://evil.example"}, 403},
		"action that fails":                        {theToken, "POST", "/api/v1/restart?app=bad", []string{bearer}, 409},
		"action on nothing":                        {theToken, "POST", "/api/v1/restart", []string{bearer}, 400},
		"action on a name that cannot be":          {theToken, "POST", "/api/v1/restart?app=../x", []string{bearer}, 400},
		"action on a number that cannot be":        {theToken, "POST", "/api/v1/restart?app=a&instance=-1", []string{bearer}, 400},
		"a token where there is none does no harm": {"", "GET", "/", []string{bearer}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.token)
			resp := s.ask(t, c.method, c.target, c.headers...)
			if resp.StatusCode != c.want {
				t.Errorf("%d, want %d", resp.StatusCode, c.want)
			}
			if acted := len(s.restarted) > 0; acted != (c.method == "POST" && c.want == 200) {
				t.Errorf("restarted %v", s.restarted)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s is %q", name, got)
				}
			}
			csp := resp.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
		})
	}
}

// TestTokenInAddress: it becomes a cookie, and leaves the address.
func TestTokenInAddress(t *testing.T) {
	s := newSite(t, theToken)
	resp := s.ask(t, "GET", "/x?a=1&token="+url.QueryEscape(theToken))
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/x?a=1" {
		t.Errorf("%d to %q", resp.StatusCode, to)
	}
	set := resp.Cookies()
	if len(set) != 1 || !set[0].HttpOnly || set[0].SameSite != http.SameSiteStrictMode || strings.Contains(set[0].Value, theToken) {
		t.Errorf("cookies %v", set)
	}
}

// TestTokenChanges: what was let in with the old one ends.
func TestTokenChanges(t *testing.T) {
	valid, end := context.WithCancel(t.Context())
	begun, ended := make(chan struct{}), make(chan struct{})
	stream := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(ended)
	})
	h := Handler(Options{Page: stream, Metrics: stream, Token: func() (string, context.Context) { return theToken, valid }})
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/events", nil)
	r.Header.Set("Authorization", "Bearer "+theToken)
	go h.ServeHTTP(httptest.NewRecorder(), r)
	<-begun
	end()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the stream goes on")
	}
}

// TestSecureCookie: whether a browser came over TLS is a proxy's of this host to say.
func TestSecureCookie(t *testing.T) {
	for from, want := range map[string]bool{"127.0.0.1:4711": true, "[::1]:4711": true, "@": true, "192.0.2.1:4711": false} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-Proto", "https")
		setCookie(w, r, theToken)
		if got := w.Result().Cookies()[0].Secure; got != want {
			t.Errorf("from %s: %v", from, got)
		}
	}
}

// TestLogin is a browser's way in.
func TestLogin(t *testing.T) {
	s := newSite(t, theToken)
	resp := s.ask(t, "GET", "/", "Accept: text/html,*/*")
	if body := read(t, resp); resp.StatusCode != 401 || !strings.Contains(body, `action="/login"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	login := func(token string) *http.Response {
		resp, err := browser.PostForm(s.URL+"/login", url.Values{"token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	if resp := login("wrong"); resp.StatusCode != 401 || strings.Contains(read(t, resp), "wrong") {
		t.Errorf("wrong token: %d", resp.StatusCode)
	}
	if resp := login(theToken); resp.StatusCode != 200 || read(t, resp) != "the page" {
		t.Errorf("token: %d", resp.StatusCode)
	}
	if resp := login(strings.Repeat("x", maxBody+1)); resp.StatusCode != 401 {
		t.Errorf("a long token: %d", resp.StatusCode)
	}
	s.token = "another token of course"
	if resp, err := browser.Get(s.URL); err != nil || resp.StatusCode != 401 {
		t.Errorf("after a change of the token: %v, %v", resp, err)
	}
}

// TestHealthz: old reports, and none, are not health.
func TestHealthz(t *testing.T) {
	s := newSite(t, "")
	s.feed.Publish(&monitor.Report{At: time.Now().Add(-2 * time.Minute)})
	if resp := s.ask(t, "GET", "/healthz"); resp.StatusCode != 503 {
		t.Errorf("an old report: %d", resp.StatusCode)
	}
	s = &site{}
	h := Handler(Options{Feed: &s.feed, Page: http.NotFoundHandler(), Metrics: http.NotFoundHandler(), Token: func() (string, context.Context) { return "", context.Background() }})
	for _, path := range []string{"/healthz", "/api/v1/status"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 503 {
			t.Errorf("%s before the first report: %d", path, w.Code)
		}
	}
}

func TestStatusIsTheReport(t *testing.T) {
	s := newSite(t, "")
	var r monitor.Report
	if err := json.Unmarshal([]byte(read(t, s.ask(t, "GET", "/api/v1/status?app=b"))), &r); err != nil || r.Host != "h" || len(r.Apps) != 1 || r.Apps[0].Name != "b" {
		t.Errorf("%v %+v", err, r)
	}
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
