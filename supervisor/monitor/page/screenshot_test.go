//go:build !race

package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// most is what a screenshot in docs may weigh.
const most = 150 << 10

// TestScreenshots checks those in docs, and with -update takes them: light,
// dark, and 360 pixels wide.
func TestScreenshots(t *testing.T) {
	for _, shot := range []struct {
		name, scheme string
		width        int64
		open         string
	}{
		{"page-light", "light", 1240, "images@1/more"},
		{"page-dark", "dark", 1240, "images@1/more"},
		{"page-narrow", "light", 360, ""},
	} {
		t.Run(shot.name, func(t *testing.T) {
			path := filepath.Join("../../../docs", shot.name+".png")
			if *update {
				h := serve(t, withoutHostility())
				ctx := tab(t)
				var picture []byte
				do(ctx, t, media("prefers-color-scheme", shot.scheme), chromedp.EmulateViewport(shot.width, 800), chromedp.Navigate(h.url), live(),
					chromedp.Evaluate(`(id => { if (id) document.getElementById(id).open = true })(`+quote(shot.open)+`)`, nil),
					chromedp.FullScreenshot(&picture, 100))
				if err := os.WriteFile(path, smaller(t, picture), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(content) > most {
				t.Errorf("%s has %d bytes, more than %d", path, len(content), most)
			}
			picture, err := png.DecodeConfig(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			if int64(picture.Width) != shot.width {
				t.Errorf("%s is %d pixels wide, want %d", path, picture.Width, shot.width)
			}
		})
	}
	path, now := filepath.Join("testdata", "pictured.sha256"), pictured(t)
	if *update && !t.Failed() {
		if err := os.WriteFile(path, []byte(now+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if then, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(then)) != now {
		t.Errorf("the pictures in docs are of a page that was otherwise (%v): go test -run TestScreenshots -update", err)
	}
}

// pictured stands for what the pictures show: the document's body, whose head names versions, and its style.
func pictured(t *testing.T) string {
	t.Helper()
	p := fixed(withoutHostility())
	_, document := get(t, p, "/")
	_, body, ok := strings.Cut(document, "<body>")
	_, style := get(t, p, p.Stylesheet())
	if !ok || style == "" {
		t.Fatal("the page has no body or no style")
	}
	sum := sha256.Sum256([]byte(body + style))
	return hex.EncodeToString(sum[:])
}
