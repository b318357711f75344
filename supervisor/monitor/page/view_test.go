package page

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

var rowID = regexp.MustCompile(`<tbody id="([^"]+)"`)

func rowsOf(body string) []string {
	var all []string
	for _, m := range rowID.FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestViews(t *testing.T) {
	everything := []string{"rt@1", "rt@2", "rt@3", "rt@4", "rt@5", "images@1", "images@2", "wiki@1", "wiki@2", "legacy@1", "legacy@2"}
	for target, want := range map[string][]string{
		"/":                       everything,
		"/?show=every":            everything,
		"/?show=nonsense&x=1":     everything,
		"/?show=wrong":            {"rt@3", "images@1", "legacy@2"},
		"/?app=wiki":              {"wiki@1", "wiki@2"},
		"/?app=rt&show=wrong":     {"rt@3"},
		"/?app=wiki&show=wrong":   nil,
		"/?app=none":              nil,
		"/?app=" + "%00%ff%22%3E": nil,
	} {
		status, body := get(t, fixed(sample()), target)
		if got := rowsOf(body); !slices.Equal(got, want) {
			t.Errorf("%s shows %v, want %v", target, got, want)
		}
		if missing := strings.Contains(target, "none") || strings.Contains(target, "%00"); (status == 404) != missing {
			t.Errorf("%s: status %d", target, status)
		}
		if want == nil && !strings.Contains(body, `id="_empty"`) {
			t.Errorf("%s shows nothing and does not say why", target)
		}
	}
}

// Every link of a page that leads to a fragment of the same page finds it there.
func TestAnchors(t *testing.T) {
	link := regexp.MustCompile(`href="([^"]*)"`)
	for _, r := range []*monitor.Report{sample(), fleet(120)} {
		p, seen := fixed(r), map[string]string{}
		page := func(target string) string {
			if _, known := seen[target]; !known {
				_, seen[target] = get(t, p, target)
			}
			return seen[target]
		}
		for _, target := range []string{"/", "/?show=wrong", "/?app=appa", "/?app=rt&refresh=off"} {
			body := page(target)
			for _, m := range link.FindAllStringSubmatch(body, -1) {
				href := strings.ReplaceAll(m[1], "&amp;", "&")
				query, fragment, found := strings.Cut(href, "#")
				if !found || strings.HasPrefix(fragment, "_") {
					continue
				}
				there := body
				if query != "" {
					there = page("/" + query)
				}
				id, err := url.PathUnescape(fragment)
				if err != nil || !strings.Contains(there, `id="`+id+`"`) {
					t.Errorf("%s: %s leads nowhere", target, href)
				}
			}
		}
	}
}

// On a large host what is well is a number, and what is wrong still has its row.
func TestLargeHost(t *testing.T) {
	p := fixed(fleet(1000))
	for target, want := range map[string]struct{ bytes, rows int }{
		"/": {200 << 10, 10}, "/?show=wrong": {100 << 10, 10}, "/?app=appa": {1 << 20, 250}, "/?show=every": {4 << 20, 1000},
	} {
		_, body := get(t, p, target)
		if len(body) > want.bytes {
			t.Errorf("%s has %d bytes for 1,000 instances, more than %d", target, len(body), want.bytes)
		}
		if got := rowsOf(body); len(got) != want.rows {
			t.Errorf("%s has %d rows, want %d", target, len(got), want.rows)
		}
	}
	_, body := get(t, p, "/")
	for _, id := range []string{"appa@1", "appa@100", "appd@249"} {
		if !strings.Contains(body, ` id="`+id+`"`) {
			t.Errorf("%s is not listed", id)
		}
	}
}

// BenchmarkPage says what a page of 1,000 instances costs when nothing is kept.
func BenchmarkPage(b *testing.B) {
	r := fleet(1000)
	for _, target := range []string{"/", "/?show=every"} {
		b.Run(target, func(b *testing.B) {
			for b.Loop() {
				_, body := get(b, fixed(r), target)
				b.ReportMetric(float64(len(body)), "bytes")
			}
		})
	}
}

// Who asked for a page that stands still gets it from its links, too.
func TestStillStaysStill(t *testing.T) {
	_, body := get(t, fixed(sample()), "/?refresh=off")
	if strings.Contains(body, "http-equiv") {
		t.Error("it loads itself again")
	}
	for _, link := range []string{`href="?app=rt&amp;refresh=off"`, `href="?refresh=off&amp;show=wrong"`, `href="?refresh=off#wiki"`} {
		if !strings.Contains(body, link) {
			t.Errorf("there is no %s", link)
		}
	}
}

func TestBeforeTheFirstReport(t *testing.T) {
	status, body := get(t, fixed(nil), "/")
	if status != 200 || !strings.Contains(body, "Nothing is known yet") {
		t.Errorf("status %d:\n%s", status, body)
	}
	_, body = get(t, fixed(&monitor.Report{Host: "h", At: sampleAt}), "/")
	if !strings.Contains(body, "No apps are configured.") {
		t.Error("an empty configuration is not said")
	}
}
