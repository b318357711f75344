package page

import (
	"net/url"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// show is how much of the report a reader wants.
type show string

const (
	// showAll has a row for each instance; on a large host the ordinary ones are
	// numbers in a list.
	showAll show = ""
	// showWrong has what wants attention only.
	showWrong show = "wrong"
	// showEvery has a row for each instance, however many.
	showEvery show = "every"
)

// largeHost is the number of instances above which the ordinary ones get no row of their own.
const largeHost = 60

// view is what the query asks for.
type view struct {
	show show
	// app is the only one shown, all if empty.
	app string
	// still asks for a page that does not load itself again without script.
	still bool
}

// parseView takes what it knows; what it does not know changes nothing.
func parseView(q url.Values) view {
	v := view{app: q.Get("app"), still: q.Get("refresh") == "off"}
	switch s := show(q.Get("show")); s {
	case showWrong, showEvery:
		v.show = s
	case showAll:
	}
	return v
}

// query is the view as a link to it.
func (v view) query() string {
	q := url.Values{}
	if v.show != showAll {
		q.Set("show", string(v.show))
	}
	if v.app != "" {
		q.Set("app", v.app)
	}
	if v.still {
		q.Set("refresh", "off")
	}
	return "?" + q.Encode()
}

func (v view) with(s show) view { v.show = s; return v }

func (v view) quiet() view { v.still = true; return v }

func (v view) of(app string) view { v.app = app; return v }

// rows reports whether an instance gets a row; if not it is listed by its number,
// or not at all when only what is wrong is shown.
func (v view) row(r *monitor.Report, l level) bool {
	switch v.show {
	case showEvery:
		return true
	case showWrong:
		return l.wrong()
	case showAll:
	}
	return v.app != "" || l.wrong() || count(r) <= largeHost
}

func count(r *monitor.Report) int {
	n := 0
	for _, a := range r.Apps {
		n += len(a.Instances)
	}
	return n
}
