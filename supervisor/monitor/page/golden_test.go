package page

import (
	"flag"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

var update = flag.Bool("update", false, "write testdata and the screenshots in docs")

// fixed is a page two seconds after the sample.
func fixed(r *monitor.Report) *Page {
	f := &monitor.Feed{}
	if r != nil {
		f.Publish(r)
	}
	return New(f, Options{Zone: time.UTC, Now: func() time.Time { return sampleAt.Add(2 * time.Second) }})
}

func get(t testing.TB, p *Page, target string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	content, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(content)
}

// TestGolden pins the whole document; -update writes it again.
func TestGolden(t *testing.T) {
	for name, target := range map[string]string{"page.html": "/", "wrong.html": "/?show=wrong"} {
		_, got := get(t, fixed(sample()), target)
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// Whatever a program prints is text, wherever it is shown.
func TestHostileTextIsText(t *testing.T) {
	r := sample()
	r.Host, r.Version, r.ConfigError = hostile, hostile, hostile
	for i := range r.Apps {
		r.Apps[i].Description = hostile
		for j := range r.Apps[i].Instances {
			in := &r.Apps[i].Instances[j]
			in.Address, in.Why, in.SocketUnit, in.ServiceUnit = hostile, hostile, hostile, hostile
			if in.Probe != nil {
				in.Probe.OK, in.Probe.Class, in.Probe.Error = false, hostile, hostile
			}
			if st := in.Status; st != nil {
				st.ConfigError, st.Missing = hostile, []string{hostile}
				if f := st.LastFailure; f != nil {
					f.Detail, f.Output, f.Evidence = hostile, []string{hostile}, []string{hostile, checkedEmpty, ageOpen}
				}
			}
		}
	}
	for _, target := range []string{"/", "/?show=every", "/?app=" + "%3Cscript%3Ealert(1)%3C/script%3E"} {
		_, body := get(t, fixed(r), target)
		if n := strings.Count(body, "<script"); n != 1 {
			t.Errorf("%s has %d script elements, want only ours", target, n)
		}
		for _, bad := range []string{"<img", "</pre><script", `onerror="`, "internal error"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %q in its markup", target, bad)
			}
		}
	}
}

// FuzzText puts anything where programs and hosts put theirs.
func FuzzText(f *testing.F) {
	for _, text := range []string{hostile, checkedEmpty, clockEmpty, ageOpen + "2026-03-09T14:02:11Z" + ageClose, "\x00\xff\u202e", "</title>", "&lt;", "]]>"} {
		f.Add(text)
	}
	feed := &monitor.Feed{}
	p := New(feed, Options{Zone: time.UTC, Now: func() time.Time { return sampleAt }})
	page := func(t testing.TB, text string) string {
		r := sample()
		r.Apps = []monitor.App{{Name: "images", Instances: r.Apps[1].Instances[:1]}}
		in := &r.Apps[0].Instances[0]
		r.Host, in.Why, in.Status.LastFailure.Output = "a"+text, "a"+text, []string{text}
		feed.Publish(r)
		_, body := get(t, p, "/")
		return body
	}
	plain := page(f, "plain")
	f.Fuzz(func(t *testing.T, text string) {
		body := page(t, text)
		for _, mark := range []string{"<script", "<time", "<span", "<tbody", "</pre>", "</title>", "<p", `id="`} {
			if got, want := strings.Count(body, mark), strings.Count(plain, mark); got != want {
				t.Errorf("%d of %s, want %d", got, mark, want)
			}
		}
	})
}

// The page must work under the strictest policy: nothing inline, nothing from elsewhere.
func TestNothingInlineNothingForeign(t *testing.T) {
	_, body := get(t, fixed(sample()), "/")
	for _, bad := range []string{" style=", "<style", " onclick=", "javascript:", "http://", "https://", `src="//`, `href="/`, `src="/`} {
		if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	w := httptest.NewRecorder()
	fixed(sample()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'self';") {
		t.Errorf("policy is %q", policy)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q: the page must be requested again", got)
	}
}

func TestAssetsAreKeptForEver(t *testing.T) {
	p := fixed(sample())
	_, body := get(t, p, "/")
	for name := range p.assets.byName {
		url := p.assets.url(name)
		if !strings.HasPrefix(name, "icon-") && !strings.Contains(body, `"`+url+`"`) {
			t.Errorf("the page does not use %s", url)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", "/"+url, nil))
		if w.Code != 200 || w.Body.Len() == 0 || w.Header().Get("Content-Type") == "" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("GET /%s: %d, %v", url, w.Code, w.Header())
		}
	}
	for _, target := range []string{"/assets/page.css", "/assets/", "/assets/../page.go", "/else"} {
		if status, _ := get(t, p, target); status != 404 && status != 301 && status != 307 {
			t.Errorf("GET %s: %d", target, status)
		}
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != 405 {
		t.Errorf("POST /: %d, want 405: nothing acts here", w.Code)
	}
}

func TestGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false, "identity": false, "deflate, gzip": true,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		fixed(sample()).ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %q: gzip is %t, want %t", accept, got, want)
		}
	}
}
