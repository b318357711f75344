//go:build !race

package page

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// What changes is shown without a reload, and what the reader does is left alone.
func TestLiveInBrowser(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	do(ctx, t, chromedp.EmulateViewport(1240, 500), chromedp.Navigate(h.url), live(), chromedp.Evaluate(`
		window.loaded = "once";
		window.kept = document.getElementById("rt@2");
		document.getElementById("images@1/more").open = true;
		document.getElementById("rt@2").querySelector("summary").focus();
		const pre = document.getElementById("images@1").querySelector("pre");
		getSelection().selectAllChildren(pre);
		scrollTo(0, 200); pre.scrollLeft = 40;`, nil))
	place := `document.getElementById("images@1").getBoundingClientRect().top`
	before := value[float64](ctx, t, place)
	r := sample()
	r.Apps[0].Instances[1].Status.Queue = ptr(77)
	r.Apps[1].Instances[0].Status.Rejected = 4711
	r.Apps[3].Instances[0].Health, r.Apps[3].Instances[0].Why = monitor.Down, "connection refused"
	r.At = r.At.Add(time.Second)
	h.Publish(r)
	becomes(ctx, t, `document.getElementById("rt@2").textContent.includes("77")`)
	becomes(ctx, t, `document.getElementById("images@1").textContent.includes("4711")`)
	becomes(ctx, t, `document.getElementById("_verdict").textContent.includes("2 of 11 instances are down")`)
	for what, expression := range map[string]string{
		"the page was not loaded again":      `window.loaded === "once"`,
		"the row is the same element":        `window.kept === document.getElementById("rt@2")`,
		"what is open stays open":            `document.getElementById("images@1/more").open`,
		"what has the focus keeps it":        `document.activeElement === window.kept.querySelector("summary")`,
		"what is selected stays selected":    `getSelection().toString().includes("imaged 2.1 starting")`,
		"a scrolled box stays scrolled":      `document.getElementById("images@1").querySelector("pre").scrollLeft === 40`,
		"the page is where it was":           fmt.Sprintf(`Math.abs(%s - %f) < 2`, place, before),
		"the title says it":                  `document.title.startsWith("✗ 2 down")`,
		"the new reason is shown":            `document.getElementById("legacy@1").textContent.includes("connection refused")`,
		"the ages are written":               `[...document.querySelectorAll("time")].every(t => /^(in )?\d+[smhd]/.test(t.textContent))`,
		"the times told apart are filled in": `[...document.querySelectorAll("time.checked")].every(t => t.dateTime)`,
	} {
		if !value[bool](ctx, t, expression) {
			t.Errorf("not so: %s", what)
		}
	}
}

// Instances and apps come and go, in the order of the report.
func TestComingAndGoingInBrowser(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	do(ctx, t, chromedp.Navigate(h.url), live(), chromedp.Evaluate(`
		window.loaded = "once"; window.kept = document.getElementById("legacy@2");
		document.getElementById("wiki@1").querySelector("summary").focus()`, nil))
	r := sample()
	r.Apps = append([]monitor.App{{Name: "aaa", Instances: []monitor.Instance{{App: "aaa", Number: 1, Health: monitor.Up, Since: sampleAt, Checked: sampleAt}}}}, r.Apps...)
	r.Apps[3].Instances = r.Apps[3].Instances[1:]
	r.Apps = slices.Delete(r.Apps, 1, 2)
	h.Publish(r)
	becomes(ctx, t, `[...document.querySelectorAll("main section > table > tbody")].map(b => b.id).join() === "aaa@1,images@1,images@2,wiki@2,legacy@1,legacy@2"`)
	if got := value[string](ctx, t, `document.activeElement.textContent`); got != "wiki" {
		t.Errorf("the row with the focus is gone; the focus is on %q, want the heading of its app", got)
	}
	if !value[bool](ctx, t, `window.loaded === "once" && window.kept === document.getElementById("legacy@2")`) {
		t.Error("what stays is not the same element")
	}
	h.Publish(&monitor.Report{Host: "web1.example.org", At: sampleAt})
	becomes(ctx, t, `document.querySelector("main").textContent.trim() === "No apps are configured."`)
	h.Publish(sample())
	becomes(ctx, t, `document.querySelectorAll("main section > table > tbody").length === 11 && !document.getElementById("_empty")`)
	other := tab(t)
	do(other, t, chromedp.Navigate(h.url), live())
	if diff := cmp.Diff(value[[]string](other, t, clean), value[[]string](ctx, t, clean)); diff != "" {
		t.Errorf("the patched page is not the one that a reload shows (-reload +patched):\n%s", diff)
	}
}

// clean is the page without its ages.
const clean = `(() => {
	const c = document.body.cloneNode(true);
	for (const t of c.querySelectorAll("time")) t.textContent = "";
	return c.innerHTML.replace(/\s+/g, " ").split(">").map(e => e.trim());
})()`

// When the host goes the page says so and what it still shows; when it comes back so does the page.
func TestConnectionLostInBrowser(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	do(ctx, t, chromedp.Navigate(h.url), live(), chromedp.Evaluate(`window.loaded = "once"`, nil))
	h.leave()
	becomes(ctx, t, `document.getElementById("_stream").textContent === "connection lost, showing state of 14:02"`)
	if !value[bool](ctx, t, `document.getElementById("rt@1") !== null && getComputedStyle(document.getElementById("_stream")).visibility === "visible"`) {
		t.Error("the last state is gone")
	}
	eventually(t, "it is asked for again, and again", func() bool { return h.refused.Load() >= 2 })
	r := sample()
	r.Apps[1].Instances[0].Health = monitor.Asleep
	h.Publish(r)
	h.comeBack()
	becomes(ctx, t, `document.getElementById("_stream").textContent === "live" && document.getElementById("images@1").classList.contains("is-asleep")`)
	if !value[bool](ctx, t, `window.loaded === "once"`) {
		t.Error("the page was loaded again")
	}
}

// A page in the background gives its stream back, and is up to date again once looked at.
func TestHiddenInBrowser(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	slots := func() int { return len(h.page.Load().slots) }
	hide := func(hidden bool) chromedp.Action {
		return chromedp.Evaluate(fmt.Sprintf(`Object.defineProperty(document, "hidden", {value: %t, configurable: true}); document.dispatchEvent(new Event("visibilitychange"))`, hidden), nil)
	}
	do(ctx, t, chromedp.Navigate(h.url), live(), hide(true))
	if slots() != 1 {
		t.Fatalf("%d streams, want 1", slots())
	}
	r := sample()
	r.Apps[2].Instances[0].Health = monitor.Down
	h.Publish(r)
	becomes(ctx, t, `document.title.startsWith("✗ 2 down")`)
	eventually(t, "the stream is given back", func() bool { return slots() == 0 })
	h.Publish(sample())
	do(ctx, t, hide(false))
	becomes(ctx, t, `document.title.startsWith("✗ 1 down")`)
	eventually(t, "there is a stream again", func() bool { return slots() == 1 })
}

// page.js writes ages as format.go does.
func TestAgesInBrowser(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	do(ctx, t, chromedp.Navigate(h.url), live())
	stamps, texts := []string{}, map[string]time.Duration{}
	for d := range ageTexts {
		then := sampleAt.Add(2*time.Second - d).Format(time.RFC3339Nano)
		stamps, texts[then] = append(stamps, then), d
	}
	got := value[[]string](ctx, t, fmt.Sprintf(`new Promise(done => {
		const all = %s.map(at => document.body.appendChild(Object.assign(document.createElement("time"), {dateTime: at})));
		const look = () => all.every(t => t.textContent) ? done(all.map(t => t.textContent)) : setTimeout(look, 20);
		look();
	})`, list(stamps)), awaited)
	for i, then := range stamps {
		d := texts[then]
		var possible []string
		for late := range 28 {
			possible = append(possible, ageText(d+time.Duration(late)*time.Second))
		}
		if !slices.Contains(possible, got[i]) {
			t.Errorf("%s is %q in the browser, want %q or a little later", d, got[i], ageText(d))
		}
	}
}

func list(all []string) string { return `["` + strings.Join(all, `", "`) + `"]` }
