package chaos

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// load is the clients of a run. All of their answers are known beforehand.
type load struct {
	rec *recorder
	// stop ends them after the request that they are at.
	stop  chan struct{}
	ended sync.WaitGroup
}

func newLoad(rec *recorder) *load {
	return &load{rec: rec, stop: make(chan struct{})}
}

// end returns when all clients have had their last answer.
func (l *load) end() {
	close(l.stop)
	l.ended.Wait()
}

// client repeats one request, with a pause of about so long between.
func (l *load) client(pause time.Duration, one func()) {
	l.ended.Go(func() {
		for {
			select {
			case <-l.stop:
				return
			case <-time.After(pause/2 + rand.N(pause)):
			}
			one()
		}
	})
}

// uploadSize is more than a socket's buffer holds, so that an upload takes its time.
const uploadSize = 300_000

// longest is how long the longest of the requests takes.
const longest = 1200 * time.Millisecond

// direct has clients ask one socket: two short ones, an upload, a long one.
func (l *load) direct(ctx context.Context, member string, to target) {
	get := func(what, want string) func() {
		return func() {
			l.ask(ctx, member, to, what, nil, func(page string) bool { return strings.Contains(page, "\r\n\r\n"+want+"\npid ") })
		}
	}
	l.client(30*time.Millisecond, get("/sleep?ms=5", "slept 5"))
	l.client(50*time.Millisecond, get("/", "hello"))
	l.client(400*time.Millisecond, get(fmt.Sprintf("/sleep?ms=%d", longest.Milliseconds()), fmt.Sprintf("slept %d", longest.Milliseconds())))
	body := []byte(strings.Repeat("fcgisup\n", uploadSize/8))
	want := fmt.Sprintf("length %d\nsha1 %x\n", len(body), sha1.Sum(body))
	l.client(120*time.Millisecond, func() {
		l.ask(ctx, member, to, "/echo", body, func(page string) bool { return strings.Contains(page, want) })
	})
}

// plain has clients ask a program that knows fewer paths.
func (l *load) plain(ctx context.Context, member string, to target) {
	l.client(40*time.Millisecond, func() {
		l.ask(ctx, member, to, "/sleep?ms=5", nil, func(page string) bool { return strings.Contains(page, "slept\npid ") })
	})
}

// ask is one recorded request.
func (l *load) ask(ctx context.Context, member string, to target, what string, body []byte, right func(string) bool) Outcome {
	q := Request{ID: l.rec.depart(member), Member: member, What: what + " of " + to.address, Begin: l.rec.now()}
	page, err := to.ask(ctx, what, body, func(mark string) { l.rec.marked(q.ID, mark) })
	q.End = l.rec.now()
	q.Outcome, q.Detail = outcomeOf(page, err, right)
	l.rec.arrive(q)
	return q.Outcome
}

// throughNginx has clients ask for an app by HTTP, with a connection for each request.
func (l *load) throughNginx(ctx context.Context, app, socket string) {
	client := &http.Client{Timeout: clientTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	get := func(path, want string) func() {
		return func() {
			q := Request{ID: l.rec.depart(app), Member: app, What: path + " through nginx", Begin: l.rec.now()}
			status, page, err := fetch(ctx, client, path)
			q.End = l.rec.now()
			q.Outcome, q.Detail = throughOutcome(status, page, err, want)
			l.rec.arrive(q)
		}
	}
	l.client(30*time.Millisecond, get("/sleep?ms=5", "slept 5\npid "))
	l.client(400*time.Millisecond, get("/sleep?ms=900", "slept 900\npid "))
}

func fetch(ctx context.Context, client *http.Client, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://chaos"+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(page), err
}

// throughOutcome: nginx says 502 and 504 for what a direct client sees as a lost connection or a refusal.
func throughOutcome(status int, page string, err error, want string) (Outcome, string) {
	detail := fmt.Sprintf("%d %.200q", status, page)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, err.Error()
	case err != nil:
		return Lost, err.Error()
	case status == http.StatusOK && strings.HasPrefix(page, want):
		return Answered, ""
	case status == http.StatusServiceUnavailable:
		return Unavailable, detail
	case status == http.StatusBadGateway:
		return Lost, detail
	case status == http.StatusGatewayTimeout:
		return Late, detail
	}
	return Wrong, detail
}
