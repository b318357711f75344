//go:build !race

package page

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// awaited waits for the promise that an expression is.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// Without script everything is there, details open, and the filter filters.
func TestWithoutScript(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	do(ctx, t, emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(h.url))
	text := value[string](ctx, t, `document.body.innerText`)
	for _, want := range []string{"web1.example.org", "1 of 11 instances is down", "rt@1", "saturated", "asleep", "3d", "48s", "timeout ×4", "99.4 %", "no worker becomes ready"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not to be read", want)
		}
	}
	if !value[bool](ctx, t, `[...document.querySelectorAll("time")].every(t => t.textContent)`) {
		t.Error("there are times without text")
	}
	if got := value[string](ctx, t, `document.querySelector("meta[http-equiv=refresh]").content`); got != "30" {
		t.Errorf("the page is loaded again every %q s", got)
	}
	do(ctx, t, chromedp.Click(`//summary[contains(., "images@1")]`))
	if !value[bool](ctx, t, `document.getElementById("images@1").querySelector("pre").checkVisibility()`) {
		t.Error("a click on the details does not show the evidence")
	}
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(`//a[contains(., "Only what is wrong")]`)); err != nil { // until it is loaded
		t.Fatal(err)
	}
	if got := value[int](ctx, t, `document.querySelectorAll("main section > table > tbody").length`); got != 3 {
		t.Errorf("%d rows are wrong, want 3", got)
	}
	if value[bool](ctx, t, `document.documentElement.hasAttribute("data-stream")`) {
		t.Error("script has run after all")
	}
}

// What a program prints never becomes markup, neither in the page nor in a patch.
func TestHostileTextInBrowser(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	do(ctx, t, chromedp.Navigate(h.url), live())
	check := func(when, id string) {
		t.Helper()
		if !value[bool](ctx, t, fmt.Sprintf(`document.getElementById(%q).textContent.includes(%s)`, id, "`"+hostile+"`")) {
			t.Errorf("%s: the text is not there as it was printed", when)
		}
		if value[bool](ctx, t, `document.title === "taken" || document.querySelector("img") !== null || document.scripts.length !== 1`) {
			t.Errorf("%s: the text has become markup", when)
		}
	}
	check("loaded", "images@1")
	r := sample()
	r.Apps[0].Instances[4].Why, r.Apps[0].Description = hostile, hostile
	h.Publish(r)
	becomes(ctx, t, `document.getElementById("rt@5").textContent.includes("onerror")`)
	time.Sleep(50 * time.Millisecond) // for an image to fail
	check("patched", "rt@5")
	check("patched", "rt/head")
}

// No page is wider than a small telephone, nor at 400 % (WCAG 1.4.10), with everything open.
func TestNarrow(t *testing.T) {
	for name, h := range map[string]*host{"sample": serve(t, sample()), "fleet": serve(t, fleet(100))} {
		ctx := tab(t)
		do(ctx, t, chromedp.Navigate(h.url), live(), chromedp.Evaluate(`for (const d of document.querySelectorAll("details")) d.open = true`, nil))
		for _, width := range []int64{360, 320, 768, 1100, 1160, 1920} {
			do(ctx, t, chromedp.EmulateViewport(width, 740))
			becomes(ctx, t, fmt.Sprintf("innerWidth === %d", width))
			wide := value[[]string](ctx, t, `(() => {
				const scrolls = e => e && e !== document.body && (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
				const wide = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 && !scrolls(e));
				return [...(document.documentElement.scrollWidth > innerWidth ? ["the page: " + document.documentElement.scrollWidth] : []), ...wide.map(e => e.outerHTML.slice(0, 120))];
			})()`)
			if len(wide) > 0 {
				t.Errorf("%s at %d pixels is wider: %s", name, width, strings.Join(wide[:min(4, len(wide))], "\n"))
			}
		}
	}
}

// Tab goes from the skip link through head, filter and apps to the details, each
// with a visible outline; Enter opens.
func TestKeyboard(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	do(ctx, t, chromedp.EmulateViewport(1240, 900), chromedp.Navigate(h.url), live())
	type stop struct{ Name, Outline string }
	var stops []string
	for range 40 {
		do(ctx, t, chromedp.KeyEvent(kb.Tab))
		s := value[stop](ctx, t, `(() => {
			const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
			const seen = r.width > 0 && r.height > 0 && r.right > 0 && r.left < innerWidth && s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2;
			return {Name: e === document.body ? "" : e.innerText.trim().replace(/\s+/g, " ") || e.getAttribute("aria-label") || e.id, Outline: seen ? "yes" : ""};
		})()`)
		if s.Name == "" {
			break
		}
		if s.Outline == "" {
			t.Errorf("the focus on %q cannot be seen", s.Name)
		}
		stops = append(stops, s.Name)
	}
	got := strings.Join(stops, " | ")
	want := "Skip to the apps | images@1 | All 11 | Only what is wrong 3 | rt | images | wiki | legacy | rt | Details of rt@1 | 2 downs | Details of rt@2 | Details of rt@3 | Details of rt@4 | Details of rt@5 | " +
		"images | 2 downs | Details of images@1 | Details of images@2 | wiki | Details of wiki@1 | Details of wiki@2 | legacy | 1 down | Details of legacy@1 | Details of legacy@2"
	if got != want {
		t.Errorf("tab stops:\n%s\nwant:\n%s", got, want)
	}
	do(ctx, t, chromedp.Focus(`//summary[contains(., "rt@1")]`), chromedp.KeyEvent(kb.Enter))
	becomes(ctx, t, `document.getElementById("rt@1/more").open`)
	do(ctx, t, chromedp.Focus(`.skip`), chromedp.KeyEvent(kb.Enter))
	becomes(ctx, t, `document.activeElement.id === "_main"`)
	do(ctx, t, chromedp.Focus(`//a[contains(., "2 downs")]`), chromedp.KeyEvent(kb.Enter))
	becomes(ctx, t, `document.getElementById("rt@2/more").open && document.getElementById("rt@2/outages").checkVisibility()`)
}

// What the wishes of the reader's system change.
func TestMediaInBrowser(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	for _, c := range []struct {
		set  chromedp.Action
		what string
		must string
	}{
		{media("prefers-reduced-motion", "reduce"), "nothing moves", `getComputedStyle(document.documentElement).scrollBehavior === "auto" && document.getAnimations().length === 0`},
		{media("forced-colors", "active"), "marks keep their shapes", `(() => {
			const fill = c => getComputedStyle(document.querySelector("#_apps .strip ." + c)).fill;
			return fill("down") !== fill("up") && fill("stopped") === "none" && fill("up") !== "none";
		})()`},
		{emulation.SetEmulatedMedia().WithMedia("print"), "paper has what is closed, and nothing to click", `
			document.getElementById("images@1").querySelector("pre").checkVisibility() && !document.querySelector("nav").checkVisibility()`},
	} {
		do(ctx, t, c.set, chromedp.Navigate(h.url), live())
		if !value[bool](ctx, t, c.must) {
			t.Errorf("not so: %s", c.what)
		}
	}
}

// A host of a thousand instances loads, and so do the 250 rows of an app, and a
// change in all is taken, within bounds that only something quadratic breaks; the
// times are in the log. They are the processor's: others may need it as well.
func TestThousandInBrowser(t *testing.T) {
	h := serve(t, fleet(1000))
	for _, target := range []string{"", "?app=appa"} {
		ctx := tab(t)
		do(ctx, t, performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks))
		took := func(actions ...chromedp.Action) time.Duration {
			before := taskTime(ctx, t)
			do(ctx, t, actions...)
			return taskTime(ctx, t) - before
		}
		loaded := took(chromedp.Navigate(h.url+target), live())
		r := fleet(1000)
		for a := range r.Apps {
			for n := range r.Apps[a].Instances {
				r.Apps[a].Instances[n].Status.Queue = ptr(len(target) + 1)
			}
		}
		h.Publish(r)
		patched := took(chromedp.ActionFunc(func(ctx context.Context) error {
			return chromedp.Poll(fmt.Sprintf(`document.querySelector("tbody [data-label=Queue]").textContent.startsWith("%d/")`, len(target)+1), nil).Do(ctx)
		}))
		t.Logf("/%s: loaded in %s, patched in %s", target, loaded.Round(time.Millisecond), patched.Round(time.Millisecond))
		if loaded <= 0 || patched <= 0 || loaded+patched > 15*time.Second {
			t.Errorf("/%s: loaded in %s, patched in %s", target, loaded, patched)
		}
	}
}

// taskTime is what the page's main thread has taken of a processor since performance was enabled.
func taskTime(ctx context.Context, t *testing.T) time.Duration {
	t.Helper()
	var seconds float64
	do(ctx, t, chromedp.ActionFunc(func(ctx context.Context) error {
		metrics, err := performance.GetMetrics().Do(ctx)
		for _, m := range metrics {
			if m.Name == "TaskDuration" {
				seconds = m.Value
			}
		}
		return err
	}))
	return time.Duration(seconds * float64(time.Second))
}
