package page

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// patch is what a reader must change to see what we see.
type patch struct {
	// Now is our clock in milliseconds: ages in the browser follow it.
	Now int64 `json:"now"`
	// Version is to be told when the reader comes back.
	Version string `json:"version"`
	// Assets is the version of script and style: another one needs the page again.
	Assets string `json:"assets,omitempty"`
	Clock  string `json:"clock"`
	Title  string `json:"title,omitempty"`
	Icon   string `json:"icon,omitempty"`
	// HTML is what has changed, by id.
	HTML map[string]string `json:"html,omitempty"`
	// Checked are the times told apart, in seconds since 1970, by id.
	Checked map[string]int64 `json:"checked,omitempty"`
}

// changes leads from one rendering to the next; from is nil for a reader of which nothing is known.
func changes(from, to *rendering) patch {
	p := patch{Version: to.version, Clock: to.clock, HTML: map[string]string{}, Checked: map[string]int64{}}
	if from == nil {
		from = &rendering{}
	}
	if from.title != to.title || from.icon != to.icon {
		p.Title, p.Icon = to.title, to.icon
	}
	p.part(from.head, to.head)
	p.part(from.nav, to.nav)
	if !sameSections(from, to) {
		p.HTML["_apps"] = to.sections()
		for _, s := range to.apps {
			p.times(s.rows)
		}
		return p
	}
	for i := range to.apps {
		p.section(from.apps[i], to.apps[i])
	}
	return p
}

func sameSections(a, b *rendering) bool {
	if len(a.apps) != len(b.apps) || a.empty != b.empty {
		return false
	}
	for i := range a.apps {
		if a.apps[i].head.id != b.apps[i].head.id {
			return false
		}
	}
	return true
}

func (p *patch) section(from, to section) {
	if !sameRows(from.rows, to.rows) {
		p.HTML[strings.TrimSuffix(to.head.id, "/head")] = to.html
		p.times(to.rows)
		return
	}
	p.part(from.head, to.head)
	p.part(from.rest, to.rest)
	for i := range to.rows {
		p.part(from.rows[i], to.rows[i])
	}
}

func sameRows(a, b []part) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].id != b[i].id {
			return false
		}
	}
	return true
}

// part tells what differs, and the time of what comes again: it comes without.
func (p *patch) part(from, to part) {
	if from.html != to.html {
		p.HTML[to.id] = to.html
	}
	if from.html != to.html || !from.checked.Equal(to.checked) {
		p.times([]part{to})
	}
}

func (p *patch) times(parts []part) {
	for _, t := range parts {
		if !t.checked.IsZero() {
			p.Checked[t.id] = t.checked.Unix()
		}
	}
}

func (p *patch) empty() bool {
	return len(p.HTML) == 0 && len(p.Checked) == 0 && p.Title == ""
}

// stream is one reader.
type stream struct {
	page *Page
	view view
	w    http.ResponseWriter
	ctl  *http.ResponseController
	last *rendering
	// news is closed once there is something newer than last.
	news <-chan struct{}
}

// events keeps a reader in step. It has no goroutine but the request's own, and
// holds its slot until the reader goes, does not take what is written, or the page is closed.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s := &stream{page: p, view: parseView(query), w: w, ctl: http.NewResponseController(w)}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx passes it on at once
	full := false
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		full = true
	}
	if s.first(query.Get("since")) != nil {
		return
	}
	if full {
		_ = s.send("full", struct{}{}) // the reader goes either way
		return
	}
	heartbeat := time.NewTicker(p.options.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case <-s.news:
		case <-heartbeat.C:
			if s.send("beat", s.stamped(patch{Version: s.last.version, Clock: s.last.clock})) != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-p.closed:
			return
		}
		if s.follow() != nil || !s.pause(r.Context().Done()) {
			return
		}
	}
}

// first brings a reader up to date that has seen a version, perhaps this one.
func (s *stream) first(since string) error {
	s.last = s.look()
	var p patch
	if since == s.last.version {
		p = changes(s.last, s.last)
		p.times([]part{s.last.head})
		for _, a := range s.last.apps {
			p.times(a.rows)
		}
	} else {
		p = changes(nil, s.last)
	}
	p.Assets = s.page.assets.version
	return s.send("patch", s.stamped(p))
}

// follow sends what has changed since.
func (s *stream) follow() error {
	next := s.look()
	p := changes(s.last, next)
	s.last = next
	if p.empty() {
		return nil
	}
	return s.send("patch", s.stamped(p))
}

func (s *stream) look() *rendering {
	report, news := s.page.source.Latest()
	s.news = news
	return s.page.render.rendering(report, s.view, s.page.options.Now())
}

func (s *stream) stamped(p patch) patch {
	p.Now = s.page.options.Now().UnixMilli()
	return p
}

// pause lets news gather. It reports whether to go on.
func (s *stream) pause(gone <-chan struct{}) bool {
	wait := time.NewTimer(s.page.options.Pace)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-gone:
	case <-s.page.closed:
	}
	return false
}

// send writes an event, whose data JSON has made one line. Its marks need no
// escape: this is not HTML to any browser, see nosniff.
func (s *stream) send(event string, data any) error {
	var text bytes.Buffer
	text.WriteString("event: " + event + "\ndata: ")
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(data); err != nil {
		return err
	}
	text.WriteByte('\n')
	// Without deadlines, as in tests with a recorder, the writer is the one to trust.
	_ = s.ctl.SetWriteDeadline(time.Now().Add(s.page.options.WriteTimeout))
	if _, err := text.WriteTo(s.w); err != nil {
		return err
	}
	return s.ctl.Flush()
}
