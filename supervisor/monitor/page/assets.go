package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// asset is a file whose URL changes with its content, so that it may be kept for ever.
type asset struct {
	url, kind string
	content   []byte
}

// assets are the files beside the page, by name and by URL.
type assets struct {
	byName, byURL map[string]asset
	// version is that of all of them.
	version string
}

var assetKinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() assets {
	a := assets{byName: map[string]asset{}, byURL: map[string]asset{}}
	all := sha256.New()
	entries, _ := fs.ReadDir(assetFiles, "assets") // what is embedded can be read
	for _, e := range entries {
		content, _ := assetFiles.ReadFile("assets/" + e.Name())
		sum := sha256.Sum256(content)
		all.Write(sum[:])
		ext := path.Ext(e.Name())
		f := asset{
			url:  "assets/" + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext,
			kind: assetKinds[ext], content: content,
		}
		a.byName[e.Name()], a.byURL["/"+f.url] = f, f
	}
	a.version = hex.EncodeToString(all.Sum(nil)[:6])
	return a
}

// Stylesheet is its path, for a page that is to look like this one.
func (p *Page) Stylesheet() string { return "/" + p.assets.url("page.css") }

func (a assets) url(name string) string { return a.byName[name].url }

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.content)
}
