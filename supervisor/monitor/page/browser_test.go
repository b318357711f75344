//go:build !race

package page

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// browser is one Chromium for all tests, started by the first that wants it.
type browser struct {
	once sync.Once
	err  error
	ctx  context.Context
	end  func()
}

var shared browser

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	shared.close()
	os.Exit(code)
}

// sweep waits for its standard input to end, as it does when we do, whichever
// way: a test that times out runs nothing of ours any more. Processes of the
// browser that end late write into the profile again: it must stay away.
const sweep = `read -r _; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf "$1"; sleep 2; [ -e "$1" ] || exit 0; done`

// start makes the profile, and who removes it.
func (b *browser) start() {
	profile, err := os.MkdirTemp("", "page-test-")
	if err != nil {
		b.err = err
		return
	}
	sweeper := exec.Command("/bin/sh", "-c", sweep, "sh", profile)
	sweeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for us
	wait, err := sweeper.StdinPipe()
	if err == nil {
		err = sweeper.Start()
	}
	if err != nil {
		b.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.UserDataDir(profile), chromedp.Env("HOME="+profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("force-color-profile", "srgb"),
		// All tabs in one process: to start another takes longer than most of these tests.
		chromedp.Flag("renderer-process-limit", "1"), chromedp.Flag("process-per-site", true), chromedp.Flag("in-process-gpu", true))
	allocator, endAll := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endOne := chromedp.NewContext(allocator)
	b.ctx = ctx
	b.end = func() {
		_ = chromedp.Cancel(ctx) // it ends the browser and waits for it
		endOne()
		endAll()
		_ = os.RemoveAll(profile)
		_ = wait.Close()
	}
	b.err = chromedp.Run(ctx)
}

func (b *browser) close() {
	if b.end != nil {
		b.end()
	}
}

// tab is a fresh one, closed with the test, in which no script may fail and
// the policy may forbid nothing.
func tab(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser; skipped by -short")
	}
	shared.once.Do(shared.start)
	if shared.err != nil {
		t.Fatal("cannot start chromium:", shared.err)
	}
	ctx, cancel := chromedp.NewContext(shared.ctx)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(stop)
	chromedp.ListenTarget(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			t.Error("script:", ev.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if ev.Entry.Source == log.SourceSecurity || ev.Entry.Source == log.SourceViolation || ev.Entry.Source == log.SourceJavascript {
				t.Error("browser:", ev.Entry.Text)
			}
		}
	})
	do(ctx, t, log.Enable())
	return ctx
}

// policy is as strict as the daemon's, which is not to be imported here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// host serves a page and its source.
type host struct {
	monitor.Feed
	url string
	// page is nil while the host is away.
	page atomic.Pointer[Page]
	make func() *Page
	// refused counts requests while it was.
	refused atomic.Int32
}

func serve(t *testing.T, r *monitor.Report) *host {
	t.Helper()
	h := &host{}
	h.Publish(r)
	begin := time.Now()
	h.make = func() *Page {
		return New(&h.Feed, Options{
			Zone: time.UTC, Now: func() time.Time { return sampleAt.Add(2*time.Second + time.Since(begin)) },
			Pace: 10 * time.Millisecond, StaleAfter: time.Hour,
		})
	}
	h.page.Store(h.make())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := h.page.Load(); p != nil {
			w.Header().Set("Content-Security-Policy", policy)
			p.ServeHTTP(w, r)
			return
		}
		h.refused.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	h.url = server.URL + "/"
	t.Cleanup(func() { h.leave(); server.CloseClientConnections(); server.Close() })
	return h
}

// leave ends the streams and answers nothing but 502.
func (h *host) leave() {
	if p := h.page.Swap(nil); p != nil {
		p.Close()
	}
}

func (h *host) comeBack() { h.page.Store(h.make()) }

func do(ctx context.Context, t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// value is that of an expression in the page.
func value[T any](ctx context.Context, t *testing.T, expression string, options ...chromedp.EvaluateOption) T {
	t.Helper()
	var v T
	do(ctx, t, chromedp.Evaluate(expression, &v, options...))
	return v
}

// becomes waits until an expression holds.
func becomes(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	if err := chromedp.Run(ctx, chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(time.Minute), chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
}

// live waits for the stream's first patch.
func live() chromedp.Action {
	return chromedp.Poll(`document.documentElement.dataset.stream === "live"`, nil, chromedp.WithPollingInterval(20*time.Millisecond))
}

func media(name, value string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: name, Value: value}})
}
