package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browse starts a Chromium to which fleet.example is this host.
func browse(t *testing.T) context.Context {
	t.Helper()
	profile, err := os.MkdirTemp("", "fcgisup-browser-")
	if err != nil {
		t.Fatal(err)
	}
	allocator, endAll := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.UserDataDir(profile), chromedp.Env("HOME="+profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("host-resolver-rules", "MAP fleet.example 127.0.0.1"))...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it ends the browser and waits for it
		end()
		endAll()
		for range 20 { // its last processes may still write
			if os.RemoveAll(profile) == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal("cannot start chromium:", err)
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	return ctx
}

// becomes waits for an expression to hold, on whatever page is there by then.
func becomes(expression string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			var holds bool
			if err := chromedp.Evaluate(expression, &holds).Do(ctx); err == nil && holds {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

// TestLoginInBrowser: another host's browser, over plain HTTP, gets in by the form, which looks like the page; when
// the token changes the page asks for the new one.
func TestLoginInBrowser(t *testing.T) {
	inTurn(t, heavy)
	needFiles(t, "/usr/bin/chromium")
	dir := t.TempDir()
	d, address := monitorWithToken(t, dir, strings.Repeat("a", shortestToken))
	ctx := browse(t)
	login := func(token string) chromedp.Action {
		return chromedp.Tasks{
			becomes(`document.querySelector("form[action='/login']") !== null`),
			chromedp.SetValue(`input[name=token]`, token, chromedp.ByQuery), chromedp.Click(`button`, chromedp.ByQuery),
		}
	}
	live := becomes(`document.documentElement.dataset.stream === "live"`)
	var sheet, refused string
	for _, step := range []struct {
		what string
		do   chromedp.Action
	}{
		{"the form is drawn", chromedp.Navigate("http://" + strings.Replace(address, "0.0.0.0", "fleet.example", 1))},
		{"a wrong token is refused", login("wrong")},
		{"it says so", becomes(`document.querySelector("[role=alert]") !== null`)},
		{"it says what", chromedp.Text(`[role=alert]`, &refused, chromedp.ByQuery)},
		{"it has its style", chromedp.Evaluate(`getComputedStyle(document.querySelector("main")).borderRadius`, &sheet)},
		{"the token is taken", login(strings.Repeat("a", shortestToken))},
		{"the page is live", live},
		{"the token changes", chromedp.ActionFunc(func(context.Context) error {
			secretFile(t, dir, "token", strings.Repeat("b", shortestToken))
			d.reload(t, "msg=reloaded")
			return nil
		})},
		{"the new one is asked for", login(strings.Repeat("b", shortestToken))},
		{"the page is live again", live},
	} {
		if err := chromedp.Run(ctx, step.do); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
	}
	if sheet != "6px" || refused != "That is not the token." {
		t.Errorf("corners %q, %q", sheet, refused)
	}
}
