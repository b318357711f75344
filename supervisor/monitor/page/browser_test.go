package page

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

var update = flag.Bool("update", false, "write testdata and the screenshots in docs anew")

// browser is one Chromium for all tests, started by the first that wants it.
type browser struct {
	once sync.Once
	err  error
	ctx  context.Context
	end  func()
}

var shared browser //nolint:gochecknoglobals // one per test binary, as asked for

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	shared.close()
	os.Exit(code)
}

// start makes the profile and whoever removes it: a shell that waits for our
// end, whichever way it comes, since a test that times out runs nothing of ours any more.
func (b *browser) start() {
	profile, err := os.MkdirTemp("", "page-test-")
	if err != nil {
		b.err = err
		return
	}
	sweeper := exec.Command("/bin/sh", "-c", `read -r _; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf "$1" && exit; sleep 0.3; done`, "sh", profile)
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
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.UserDataDir(profile), chromedp.Env("HOME="+profile), chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("force-color-profile", "srgb"))
	allocator, endAll := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endOne := chromedp.NewContext(allocator)
	b.ctx = ctx
	b.end = func() {
		_ = chromedp.Cancel(ctx) // it ends the browser and waits for it
		endOne()
		endAll()
		_ = wait.Close()
		_ = sweeper.Wait()
	}
	b.err = chromedp.Run(ctx)
}

func (b *browser) close() {
	if b.end != nil {
		b.end()
	}
}

// tab is a fresh one, closed with the test.
func tab(t *testing.T) context.Context {
	t.Helper()
	shared.once.Do(shared.start)
	if shared.err != nil {
		t.Fatal("cannot start chromium:", shared.err)
	}
	ctx, cancel := chromedp.NewContext(shared.ctx)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	return ctx
}

// host serves a page and its source.
type host struct {
	monitor.Feed
	page *Page
	url  string
	stop func()
}

func serve(t *testing.T, r *monitor.Report) *host {
	t.Helper()
	h := &host{}
	h.Publish(r)
	begin := time.Now()
	h.page = New(&h.Feed, Options{
		Zone: time.UTC, Now: func() time.Time { return sampleAt.Add(2*time.Second + time.Since(begin)) },
		Pace: 10 * time.Millisecond, Heartbeat: 500 * time.Millisecond,
	})
	server := httptest.NewServer(http.HandlerFunc(h.page.ServeHTTP))
	h.url = server.URL + "/"
	var once sync.Once
	h.stop = func() { once.Do(func() { h.page.Close(); server.CloseClientConnections(); server.Close() }) }
	t.Cleanup(h.stop)
	return h
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) { //nolint:revive // t comes first
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}
