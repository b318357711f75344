package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// keys of what a patch changes.
func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func TestChangesAreFew(t *testing.T) {
	for _, c := range []struct {
		what string
		view view
		do   func(r *monitor.Report)
		want []string
		told []string
	}{
		{what: "nothing", do: func(*monitor.Report) {}},
		{what: "another look", do: func(r *monitor.Report) { r.At = r.At.Add(5 * time.Second) }, told: []string{"_head"}},
		{
			what: "another check", told: []string{"rt@1"},
			do: func(r *monitor.Report) { r.Apps[0].Instances[0].Checked = sampleAt },
		},
		{
			what: "a queue", want: []string{"rt@1"}, told: []string{"rt@1"},
			do: func(r *monitor.Report) { r.Apps[0].Instances[0].Status.Queue = ptr(3) },
		},
		{
			what: "one down", want: []string{"_head", "_nav", "wiki/head", "wiki@1"}, told: []string{"_head", "wiki@1"},
			do: func(r *monitor.Report) { r.Apps[2].Instances[0].Health = monitor.Down },
		},
		{
			what: "one instance more", want: []string{"_head", "_nav", "wiki"}, told: []string{"_head", "wiki@1", "wiki@2", "wiki@3"},
			do: func(r *monitor.Report) {
				in := r.Apps[2].Instances[0]
				in.Number = 3
				r.Apps[2].Instances = append(r.Apps[2].Instances, in)
			},
		},
		{
			what: "one app less", want: []string{"_apps", "_head", "_nav"}, told: []string{"_head", "rt@1", "rt@2", "rt@3", "rt@4", "rt@5", "images@1", "images@2", "wiki@1", "wiki@2"},
			do: func(r *monitor.Report) { r.Apps = r.Apps[:3] },
		},
		{
			what: "well again, where only what is wrong is shown", view: view{show: showWrong}, want: []string{"_apps", "_head", "_nav"}, told: []string{"_head", "rt@3", "legacy@2"},
			do: func(r *monitor.Report) { r.Apps[1].Instances[0].Health = monitor.Asleep },
		},
	} {
		render := newRenderer(loadAssets(), Options{Zone: time.UTC}.withDefaults())
		before := render.rendering(sample(), c.view, sampleAt)
		r := sample()
		c.do(r)
		p := changes(before, render.rendering(r, c.view, sampleAt.Add(3*time.Second)))
		slices.Sort(c.told)
		if got := keys(p.HTML); !slices.Equal(got, c.want) {
			t.Errorf("%s changes %v, want %v", c.what, got, c.want)
		}
		if got := keys(p.Checked); !slices.Equal(got, c.told) {
			t.Errorf("%s tells times of %v, want %v", c.what, got, c.told)
		}
	}
}

// reader is a client of a stream.
type reader struct {
	*bufio.Scanner
	response *http.Response
}

func listen(ctx context.Context, t *testing.T, url string) *reader {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	s := bufio.NewScanner(response.Body)
	s.Buffer(nil, 16<<20)
	return &reader{s, response}
}

// next is the next event, "" at the end.
func (r *reader) next(t *testing.T) (kind string, p patch) {
	t.Helper()
	for r.Scan() {
		if text, ok := strings.CutPrefix(r.Text(), "event: "); ok {
			kind = text
		}
		if text, ok := strings.CutPrefix(r.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				t.Fatal(err)
			}
			return kind, p
		}
	}
	return "", p
}

// eventually waits for what must come, with a generous bound for a busy machine.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// streaming is a page on a server.
func streaming(t *testing.T, o Options) (*monitor.Feed, *Page, *httptest.Server) {
	t.Helper()
	o.Zone, o.Now, o.Pace = time.UTC, func() time.Time { return sampleAt }, time.Millisecond
	f := &monitor.Feed{}
	f.Publish(sample())
	p := New(f, o)
	server := httptest.NewServer(p)
	t.Cleanup(func() { p.Close(); server.CloseClientConnections(); server.Close() })
	return f, p, server
}

func TestStreamFollows(t *testing.T) {
	f, p, server := streaming(t, Options{Heartbeat: time.Hour})
	r := listen(t.Context(), t, server.URL+"/events?since=old")
	kind, first := r.next(t)
	if kind != "patch" || first.HTML["_apps"] == "" || first.HTML["_head"] == "" || first.Assets != p.assets.version || first.Now != sampleAt.UnixMilli() {
		t.Fatalf("a reader of an old page is told %s %v", kind, keys(first.HTML))
	}
	again := listen(t.Context(), t, server.URL+"/events?since="+first.Version)
	if kind, p := again.next(t); kind != "patch" || len(p.HTML) != 0 || len(p.Checked) == 0 {
		t.Errorf("a reader of this very page is told %s %v", kind, keys(p.HTML))
	}
	changed := sample()
	changed.Apps[0].Instances[0].Status.Queue = ptr(9)
	f.Publish(changed)
	if kind, p := r.next(t); kind != "patch" || !slices.Equal(keys(p.HTML), []string{"rt@1"}) {
		t.Errorf("after a change: %s %v", kind, keys(p.HTML))
	}
	if got := r.response.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
}

func TestStreamBeats(t *testing.T) {
	_, _, server := streaming(t, Options{Heartbeat: 10 * time.Millisecond})
	r := listen(t.Context(), t, server.URL+"/events")
	_, first := r.next(t)
	for range 3 {
		if kind, p := r.next(t); kind != "beat" || p.Version != first.Version || p.Now == 0 {
			t.Fatalf("got %s %+v, want a beat", kind, p)
		}
	}
}

// The first above the bound gets the present state and is sent away; one that leaves makes room.
func TestStreamsAreBounded(t *testing.T) {
	_, p, server := streaming(t, Options{Heartbeat: time.Hour, MaxStreams: 2})
	ctx, leave := context.WithCancel(t.Context())
	for range 2 {
		listen(ctx, t, server.URL+"/events").next(t)
	}
	eventually(t, "both are in", func() bool { return len(p.slots) == 2 })
	r := listen(t.Context(), t, server.URL+"/events")
	if kind, p := r.next(t); kind != "patch" || p.HTML["_apps"] == "" {
		t.Errorf("the third is told %s", kind)
	}
	if kind, _ := r.next(t); kind != "full" {
		t.Errorf("the third is then told %q, want full", kind)
	}
	if kind, _ := r.next(t); kind != "" {
		t.Errorf("the third is kept: %s", kind)
	}
	leave()
	eventually(t, "both have left", func() bool { return len(p.slots) == 0 })
}

// A reader that never reads holds up neither the source nor other readers, and
// loses its slot once a write has waited for WriteTimeout.
func TestStuckReader(t *testing.T) {
	f, p, server := streaming(t, Options{Heartbeat: time.Hour, WriteTimeout: 3 * time.Second})
	stuck, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	// A small buffer is soon full: less has to be rendered.
	if err := stuck.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(stuck, "GET /events?show=every HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	good := listen(t.Context(), t, server.URL+"/events?show=wrong")
	good.next(t)
	eventually(t, "both are in", func() bool { return len(p.slots) == 2 })
	round := 0
	publish := func() {
		round++
		r := fleet(200)
		for a := range r.Apps {
			for n := range r.Apps[a].Instances {
				r.Apps[a].Instances[n].Status.Queue = ptr(round)
			}
		}
		f.Publish(r)
		if kind, p := good.next(t); kind != "patch" || len(p.HTML) == 0 {
			t.Fatalf("the good reader is told %q", kind)
		}
	}
	eventually(t, "the stuck one is out", func() bool {
		publish()
		time.Sleep(200 * time.Millisecond) // rendering is work, too
		return len(p.slots) == 1
	})
}

// Readers that come and go leave nothing behind.
func TestNoLeaks(t *testing.T) {
	f, p, server := streaming(t, Options{Heartbeat: time.Hour})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	before := runtime.NumGoroutine()
	for i := range 50 {
		ctx, leave := context.WithCancel(t.Context())
		request, _ := http.NewRequestWithContext(ctx, "GET", server.URL+"/events", nil)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			f.Publish(sample())
		}
		leave()
		_ = response.Body.Close()
	}
	eventually(t, "all slots are free", func() bool { return len(p.slots) == 0 })
	eventually(t, "all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func TestCloseEndsStreams(t *testing.T) {
	_, p, server := streaming(t, Options{Heartbeat: time.Hour})
	r := listen(t.Context(), t, server.URL+"/events")
	r.next(t)
	p.Close()
	p.Close()
	if kind, _ := r.next(t); kind != "" {
		t.Errorf("a closed page sends %s", kind)
	}
	eventually(t, "the slot is free", func() bool { return len(p.slots) == 0 })
}

// Reports and readers at the same time, for the race detector.
func TestReadersAtOnce(t *testing.T) {
	f, _, server := streaming(t, Options{Heartbeat: time.Millisecond})
	done := make(chan struct{})
	for i := range 8 {
		target := server.URL + []string{"/events", "/events?show=wrong", "/events?app=rt", "/events?show=every"}[i%4]
		go func() {
			defer func() { done <- struct{}{} }()
			response, err := http.Get(target)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			s := bufio.NewScanner(response.Body)
			s.Buffer(nil, 16<<20)
			for range 15 {
				if !s.Scan() {
					t.Error("the stream has ended", s.Err())
					return
				}
			}
		}()
	}
	for left := 8; left > 0; {
		r := sample()
		r.Apps[0].Instances[0].Status.State = control.InstanceStates[left%len(control.InstanceStates)]
		f.Publish(r)
		select {
		case <-done:
			left--
		case <-time.After(5 * time.Millisecond):
		}
	}
}
