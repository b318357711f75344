//go:build !race

package page

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// rules are what a checker of accessibility would look at in the document; each yields the culprits.
var rules = map[string]string{
	"one h1":                          `[...document.querySelectorAll("h1")].slice(1)`,
	"headings skip no level":          `(() => { let last = 0; return [...document.querySelectorAll("h1,h2,h3,h4")].filter(h => { const n = +h.nodeName[1], bad = n > last + 1; last = n; return bad; }); })()`,
	"ids are unique":                  `[...document.querySelectorAll("[id]")].filter((e, i, all) => all.findIndex(o => o.id === e.id) !== i)`,
	"header cells have a scope":       `document.querySelectorAll("th:not([scope])")`,
	"cards stay tables":               `document.querySelectorAll("section > table > :not(caption):not([role]), section > table > * > tr:not([role]), section > table > * > tr > :not([role])")`, // some browsers go by display
	"tables have a caption":           `[...document.querySelectorAll("table")].filter(t => !t.caption)`,
	"one live region, for verdicts":   `[...document.querySelectorAll("[aria-live],[role=status],[role=alert],[role=log]")].filter(e => e.id !== "_verdict")`,
	"nothing is styled in the markup": `document.querySelectorAll("[style], style, script:not([src])")`,
	"no positive tabindex":            `[...document.querySelectorAll("[tabindex]")].filter(e => e.tabIndex > 0)`,
	"what scrolls has a tab stop":     `[...document.querySelectorAll("pre, .scroll")].filter(e => e.tabIndex !== 0)`,
	"targets are not tiny (2.5.8)":    `[...document.querySelectorAll("nav a, summary, .numbers li a")].filter(e => { const r = e.getBoundingClientRect(); return r.width < 24 || r.height < 24; })`,
	"text is in a landmark":           `[...document.body.children].filter(e => e.innerText && e.innerText.trim() && !/^(HEADER|NAV|MAIN|FOOTER)$/.test(e.nodeName) && !e.classList.contains("skip"))`,
	"health has icon and word":        `[...document.querySelectorAll("tbody .word")].filter(e => !e.querySelector("svg.icon") || !e.textContent.trim())`,
}

func TestAccessibilityRules(t *testing.T) {
	for name, h := range map[string]*host{"sample": serve(t, sample()), "fleet": serve(t, fleet(100))} {
		ctx := tab(t)
		do(ctx, t, chromedp.Navigate(h.url), live())
		for _, width := range []int64{1240, 360} {
			do(ctx, t, chromedp.EmulateViewport(width, 800))
			becomes(ctx, t, fmt.Sprintf("innerWidth === %d", width))
			for what, culprits := range rules {
				if got := value[[]string](ctx, t, `[...`+culprits+`].map(e => e.outerHTML.slice(0, 150))`); len(got) > 0 {
					t.Errorf("%s, %d pixels: %s: %s", name, width, what, strings.Join(got[:min(3, len(got))], "\n"))
				}
			}
			if !value[bool](ctx, t, `document.documentElement.lang === "en" && document.title !== ""`) {
				t.Error("the page has no language or no title")
			}
		}
	}
}

// node is one of the accessibility tree. cdproto's own refuses reasons that it does not know.
type node struct {
	Ignored bool
	Role    struct{ Value string }
	Name    struct{ Value string }
}

func tree(ctx context.Context, t *testing.T) []node {
	t.Helper()
	var answer struct{ Nodes []node }
	do(ctx, t, chromedp.ActionFunc(func(ctx context.Context) error {
		var raw json.RawMessage
		if err := cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &raw); err != nil {
			return err
		}
		return json.Unmarshal(raw, &answer)
	}))
	return answer.Nodes
}

// TestAccessibilityTree looks at what assistive technology gets, wide and narrow:
// cards must stay the table that they are.
func TestAccessibilityTree(t *testing.T) {
	h := serve(t, sample())
	ctx := tab(t)
	for _, width := range []int64{1240, 360} {
		do(ctx, t, chromedp.EmulateViewport(width, 800), chromedp.Navigate(h.url), live(),
			chromedp.Evaluate(`for (const d of document.querySelectorAll("details")) d.open = true`, nil))
		count, names := map[string]int{}, map[string][]string{}
		for _, n := range tree(ctx, t) {
			if n.Ignored {
				continue
			}
			role, name := n.Role.Value, n.Name.Value
			count[role]++
			names[role] = append(names[role], name)
			switch role {
			case "link", "button", "image", "img", "table", "region", "navigation", "heading", "columnheader", "rowheader", "DisclosureTriangle", "RootWebArea":
				if strings.TrimSpace(name) == "" {
					t.Errorf("%d pixels: a %s has no name", width, role)
				}
			}
		}
		for role, want := range map[string]int{"banner": 1, "navigation": 1, "main": 1, "contentinfo": 1, "status": 1} {
			if count[role] != want {
				t.Errorf("%d pixels: %d of %s, want %d; there are %v", width, count[role], role, want, slices.Sorted(maps.Keys(count)))
			}
		}
		if got := count["rowheader"]; got < 11 {
			t.Errorf("%d pixels: %d rows have a header, want one for each instance", width, got)
		}
		if got := count["table"]; got < 4 {
			t.Errorf("%d pixels: %d tables, want one for each app", width, got)
		}
		for role, want := range map[string]string{"table": "Instances of rt", "rowheader": "images@1", "DisclosureTriangle": "Details of rt@2", "status": ""} {
			if want != "" && !slices.Contains(names[role], want) {
				t.Errorf("%d pixels: no %s is named %q: %q", width, role, want, names[role])
			}
		}
		if images := append(names["image"], names["img"]...); !slices.Contains(images, "last 24 hours: 99.4 % up, 2 downs") {
			t.Errorf("%d pixels: the history is not told in words: %q", width, images)
		}
	}
}

// faint are the texts whose colours, as the browser has computed them, differ by
// less than 4.5 from what is behind.
const faint = `(() => {
	const channels = c => c.match(/[\d.]+/g).map(Number);
	const luminance = c => {
		const [r, g, b] = channels(c).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor, [, , , a = 1] = channels(c);
			if (a === 1) return c;
			if (a !== 0) throw new Error("translucent: " + c);
		}
	};
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
	let n = 0;
	while (walker.nextNode()) {
		const e = walker.currentNode.parentElement;
		if (!walker.currentNode.nodeValue.trim() || !e.checkVisibility() || e.closest("svg, noscript")) continue;
		n++;
		const a = luminance(getComputedStyle(e).color), b = luminance(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) found.add(ratio.toFixed(2) + ": " + e.outerHTML.slice(0, 100));
	}
	return [String(n), ...found];
})()`

func TestContrastInBrowser(t *testing.T) {
	for name, h := range map[string]*host{"sample": serve(t, sample()), "fleet": serve(t, fleet(100))} {
		ctx := tab(t)
		for _, scheme := range []string{"light", "dark"} {
			do(ctx, t, chromedp.EmulateViewport(1240, 800), media("prefers-color-scheme", scheme), chromedp.Navigate(h.url), live(),
				chromedp.Evaluate(`for (const d of document.querySelectorAll("details")) d.open = true`, nil))
			got := value[[]string](ctx, t, faint)
			var n int
			if _, err := fmt.Sscan(got[0], &n); err != nil || n < 100 {
				t.Errorf("%s, %s: only %d texts were looked at", name, scheme, n)
			}
			if len(got) > 1 {
				t.Errorf("%s, %s: too faint:\n%s", name, scheme, strings.Join(got[1:min(6, len(got))], "\n"))
			}
			want := map[string]string{"light": "rgb(246, 247, 248)", "dark": "rgb(17, 20, 23)"}[scheme]
			if got := value[string](ctx, t, `getComputedStyle(document.body).backgroundColor`); got != want {
				t.Errorf("%s is on %s, want %s", scheme, got, want)
			}
		}
	}
}
