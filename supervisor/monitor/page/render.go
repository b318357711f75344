package page

import (
	"embed"
	"fmt"
	"hash/fnv"
	"html/template"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

//go:embed templates
var templateFiles embed.FS

// part is a piece of the page that is replaced as one in the browser.
type part struct {
	id, html string
	// checked is a time of which is known that it changes with each report; it is
	// left out of html and told apart.
	checked time.Time
}

// section is an app in parts.
type section struct {
	head, rest part
	rows       []part
	// html is all of it.
	html string
}

// rendering is a report as one view shows it. It is never changed after.
type rendering struct {
	report *monitor.Report
	stale  bool
	// version names the content, for a reader that comes back.
	version     string
	title, icon string
	clock       string
	head, nav   part
	apps        []section
	// empty is what is said when there is no app to show.
	empty string
	// missing is the view of an app that is not there.
	missing bool
}

// keptViews bounds the views of one report that are kept for other readers.
const keptViews = 16

// renderer makes pages of reports, each view of each report once.
type renderer struct {
	templates *template.Template
	assets    assets
	options   Options
	kept      *kept
}

type kept struct {
	sync.Mutex
	report *monitor.Report
	stale  bool
	views  map[view]*rendering
}

func newRenderer(a assets, o Options) renderer {
	t := template.New("").Funcs(template.FuncMap{
		"asset":  a.url,
		"age":    func(t time.Time) template.HTML { return age(t, o.Zone) },
		"clock":  func(t time.Time) string { return clock(t, o.Zone) },
		"plural": plural,
	})
	return renderer{
		templates: template.Must(t.ParseFS(templateFiles, "templates/*.html")), assets: a, options: o, kept: &kept{},
	}
}

// rendering is made under the lock: readers that come at once wait for one of them.
func (r renderer) rendering(report *monitor.Report, v view, now time.Time) *rendering {
	stale := report != nil && now.Sub(report.At) > r.options.StaleAfter
	r.kept.Lock()
	defer r.kept.Unlock()
	if r.kept.views == nil || r.kept.report != report || r.kept.stale != stale || len(r.kept.views) >= keptViews {
		r.kept.report, r.kept.stale, r.kept.views = report, stale, map[view]*rendering{}
	}
	if made := r.kept.views[v]; made != nil {
		return made
	}
	made := r.make(report, v, now)
	made.stale = stale
	r.kept.views[v] = made
	return made
}

// execute cannot fail but by a mistake in a template, which the golden page would show.
func (r renderer) execute(name string, data any) string {
	var b strings.Builder
	if err := r.templates.ExecuteTemplate(&b, name, data); err != nil {
		return "<p>" + template.HTMLEscapeString(fmt.Sprintf("internal error: %v", err)) + "</p>"
	}
	return b.String()
}

func (r renderer) make(report *monitor.Report, v view, now time.Time) *rendering {
	judged := judge(report, now, r.options.StaleAfter)
	if report == nil {
		report = &monitor.Report{}
	}
	made := &rendering{report: report, icon: r.assets.url("icon-" + string(judged.Level) + ".svg"), title: title(judged, report)}
	if !report.At.IsZero() {
		made.clock = report.At.In(r.options.Zone).Format("15:04:05 MST")
	}
	summary := r.summary(report, judged, v)
	made.head = part{id: "_head", html: r.execute("head", summary), checked: report.At}
	made.nav = part{id: "_nav", html: r.execute("nav", summary)}
	found := v.app == ""
	for i := range report.Apps {
		if a := &report.Apps[i]; v.app == "" || a.Name == v.app {
			found = true
			if s, ok := r.section(report, a, v); ok {
				made.apps = append(made.apps, s)
			}
		}
	}
	made.missing = !found && !report.At.IsZero()
	if len(made.apps) == 0 {
		made.empty = r.execute("empty", map[string]any{
			"Missing": made.missing, "Known": !report.At.IsZero(), "App": v.app, "OnlyWrong": v.show == showWrong,
			"Count": summary.Tally.All, "All": v.with(showAll).query(), "AllApps": v.of("").query(),
		})
	}
	made.version = made.hash()
	return made
}

func title(v verdict, report *monitor.Report) string {
	mark := map[level]string{good: "✓", quiet: "–", warn: "!", bad: "✗"}[v.Level]
	return strings.TrimSpace(mark+" "+v.Short+" · "+report.Host) + " · fcgisup"
}

// summary is what head and navigation show.
type summary struct {
	Report  *monitor.Report
	Verdict verdict
	Tally   *tally
	// Wrong are names and links.
	Wrong []named
	// More is how many are wrong beyond those named.
	More int
	Apps []appLink
	// Show and App are the view.
	Show show
	App  string
	// Known is false before the first report.
	Known bool
	// All, OnlyWrong and Every are links to the same apps in other views.
	All, OnlyWrong, Every, AllApps string
	Large                          bool
}

// appLink leads to an app.
type appLink struct {
	Name, Href, Text string
	Level            level
}

// namedWrong are linked to from the head.
const namedWrong = 12

func (r renderer) summary(report *monitor.Report, judged verdict, v view) summary {
	s := summary{
		Report: report, Verdict: judged, Tally: &tally{}, Show: v.show, App: v.app, Known: !report.At.IsZero(), Large: count(report) > largeHost && v.app == "",
		All: v.with(showAll).query(), OnlyWrong: v.with(showWrong).query(), Every: v.with(showEvery).query(), AllApps: v.of("").query(),
	}
	for i := range report.Apps {
		a := &report.Apps[i]
		link := appLink{Name: a.Name, Href: v.of("").query() + "#" + a.Name, Level: quiet}
		if v.app != "" {
			link.Href = v.of(a.Name).query()
		}
		var t tally
		for j := range a.Instances {
			in := &a.Instances[j]
			t.add(in)
			s.Tally.add(in)
			if levelOf(in) == bad {
				if len(s.Wrong) < namedWrong {
					href := "#" + anchor(in)
					if v.app != "" && in.App != v.app {
						href = v.of(in.App).query() + href
					}
					s.Wrong = append(s.Wrong, named{anchor(in), href})
				} else {
					s.More++
				}
			}
		}
		link.Level, link.Text = t.verdict().Level, t.Text()
		if v.show == showWrong && t.Wrong == 0 {
			link.Href = v.with(showAll).of(a.Name).query() // it has no place in this view to lead to
		}
		s.Apps = append(s.Apps, link)
	}
	return s
}

// app is what the template of an app shows.
type app struct {
	*monitor.App
	Tally *tally
	Only  string
	Rows  []template.HTML
	Head  template.HTML
	Rest  template.HTML
	Lists []numbers
	// Hidden are those that the view leaves out.
	Hidden int
	// All is the app without leaving any out.
	All string
}

// numbers are instances without a row.
type numbers struct {
	Health    monitor.Health
	Instances []*monitor.Instance
	Href      string
}

func (r renderer) section(report *monitor.Report, a *monitor.App, v view) (section, bool) {
	shown := app{App: a, Tally: &tally{}, Only: v.of(a.Name).query(), All: v.of(a.Name).with(showAll).query()}
	rest := map[monitor.Health][]*monitor.Instance{}
	var s section
	for i := range a.Instances {
		in := &a.Instances[i]
		shown.Tally.add(in)
		switch {
		case v.row(report, levelOf(in)):
			p := part{id: anchor(in), html: r.execute("instance", rowOf(in, report.At, r.options.Zone)), checked: in.Checked}
			s.rows = append(s.rows, p)
			shown.Rows = append(shown.Rows, template.HTML(p.html))
		case v.show == showWrong:
			shown.Hidden++
		default:
			rest[in.Health] = append(rest[in.Health], in)
		}
	}
	if len(s.rows) == 0 && v.show == showWrong {
		return section{}, false
	}
	for _, h := range monitor.Healths {
		if len(rest[h]) > 0 {
			shown.Lists = append(shown.Lists, numbers{h, rest[h], shown.Only})
		}
	}
	s.head = part{id: a.Name + "/head", html: r.execute("app-head", shown)}
	s.rest = part{id: a.Name + "/rest", html: r.execute("app-rest", shown)}
	shown.Head, shown.Rest = template.HTML(s.head.html), template.HTML(s.rest.html)
	s.html = r.execute("app", shown)
	return s, true
}

// hash names the content.
func (m *rendering) hash() string {
	h := fnv.New64a()
	for _, text := range []string{m.title, m.head.html, m.nav.html, m.empty} {
		_, _ = h.Write([]byte(text)) // a hash takes everything
	}
	for _, s := range m.apps {
		_, _ = h.Write([]byte(s.html))
	}
	return strconv.FormatUint(h.Sum64(), 16)
}

// sections are all apps, or what is said instead.
func (m *rendering) sections() string {
	var b strings.Builder
	b.WriteString(m.empty)
	for _, s := range m.apps {
		b.WriteString(s.html)
	}
	return b.String()
}

// checkedEmpty is where a time is told apart, in the part whose id comes before
// it; clockEmpty is where that of the report is.
const (
	checkedEmpty = `<time class="checked"></time>`
	clockEmpty   = `<span id="_at"></span>`
)

// page is the whole document.
func (r renderer) page(m *rendering, v view, now time.Time) string {
	text := r.execute("page", map[string]any{
		"Title": m.title, "Icon": m.icon, "Clock": m.clock, "Version": m.version, "Assets": r.assets.version,
		"Events": "events" + v.query(), "Silence": int(3 * r.options.Heartbeat / time.Millisecond),
		"Refresh": !v.still, "Still": v.quiet().query(), "Monitor": m.report.Version, "Now": now.UnixMilli(),
		"Head": template.HTML(m.head.html), "Nav": template.HTML(m.nav.html), "Apps": template.HTML(m.sections()),
	})
	checked := []time.Time{m.head.checked}
	for _, s := range m.apps {
		for _, p := range s.rows {
			checked = append(checked, p.checked)
		}
	}
	text = strings.Replace(text, clockEmpty, `<span id="_at">`+m.clock+`</span>`, 1)
	return aged(fillChecked(text, checked, now), now)
}

// fillChecked puts the times into their places, which come in the same order.
func fillChecked(text string, checked []time.Time, now time.Time) string {
	var b strings.Builder
	b.Grow(len(text) + 64*len(checked))
	for _, t := range checked {
		before, after, found := strings.Cut(text, checkedEmpty)
		if !found {
			break
		}
		b.WriteString(before)
		if t.IsZero() {
			b.WriteString(checkedEmpty)
		} else {
			b.WriteString(`<time class="checked" datetime="` + t.UTC().Format(stamp) + `">` + ageText(now.Sub(t)) + `</time>`)
		}
		text = after
	}
	b.WriteString(text)
	return b.String()
}
