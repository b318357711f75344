package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// rushConfig serves 40 requests of 50 ms per second.
const rushConfig = `
apps:
  rush:
    command: [/opt/apps/rush.pl]
    user: www-data
    workers: 2
    listen: /run/rush%i.sock
    socket: {user: www-data, backlog: 500}
    limits: {queue_wait: 300ms}
`

// rushed is what nginx answered.
type rushed struct {
	status int
	retry  string
	at     time.Time
	took   time.Duration
}

// rush sends so many requests per second through nginx, whatever becomes of them.
func (b *box) rush(path string, perSecond int, d time.Duration) []rushed {
	var (
		mu   sync.Mutex
		all  []rushed
		sent sync.WaitGroup
	)
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", b.path(siteSocket("rush")))
		},
	}}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second / time.Duration(perSecond)) {
		sent.Go(func() {
			r := rushed{at: time.Now()}
			if response, err := client.Get("http://box" + path); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				r.status, r.retry = response.StatusCode, response.Header.Get("Retry-After")
			}
			r.took = time.Since(r.at)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, r)
		})
	}
	sent.Wait()
	return all
}

func count(all []rushed, status int) int {
	n := 0
	for _, r := range all {
		if r.status == status {
			n++
		}
	}
	return n
}

// queueOf is the queue as status shows it.
type queueOf struct {
	Queue, QueueLimit, Backlog, QueueLimited int
}

func (b *box) queue(t *testing.T) queueOf {
	t.Helper()
	var all []struct {
		Queue        int
		QueueLimit   int `json:"queue_limit"`
		Backlog      int
		QueueLimited int `json:"queue_limited"`
	}
	out := b.run(t, "fcgisup", "status", "rush", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	return queueOf(all[0])
}

// TestStandingQueue: under overload the queue of systemd's socket is kept short, a burst is not refused, and a
// supervisor that is killed meanwhile leaves no limit behind.
func TestStandingQueue(t *testing.T) {
	inTurn(t, busy)
	needFiles(t, "/usr/bin/perl")
	b := newBox(t)
	b.startNginx(t)
	b.installPrograms(t, "rush")
	b.deploy(t, rushConfig, "rush")
	b.ok(t, "rush", "/")

	burst := b.rush("/sleep?ms=10", 400, 500*time.Millisecond)
	if n := count(burst, http.StatusOK); n != len(burst) {
		t.Errorf("%d of a burst of %d were answered 200", n, len(burst))
	}

	// A worker that dies has taken the request: that is not a reason to send it again.
	if got, err := b.get("rush", "/die"); err != nil || got.status != http.StatusBadGateway {
		t.Errorf("a request that kills its worker was answered %v, %v; want 502", got, err)
	}

	over := make(chan []rushed, 1)
	go func() { over <- b.rush("/sleep?ms=50", 120, 8*time.Second) }()
	within(t, 20*time.Second, func() error {
		if q := b.queue(t); q.QueueLimit >= q.Backlog || q.Backlog != 500 || q.QueueLimited == 0 {
			return fmt.Errorf("queue %+v, want it limited", q)
		}
		return nil
	})
	all := <-over
	served, refused := count(all, http.StatusOK), count(all, http.StatusServiceUnavailable)
	t.Logf("%d served, %d answered 503", served, refused)
	if served < 40 || refused < 40 || served+refused != len(all) {
		t.Errorf("%d requests, %d answered 200, %d answered 503", len(all), served, refused)
	}
	slices.SortFunc(all, func(x, y rushed) int { return x.at.Compare(y.at) })
	for _, r := range all[len(all)/2:] {
		if r.status == http.StatusOK && r.took > 5*time.Second {
			t.Errorf("an answer took %v", r.took)
			break
		}
		if r.status == http.StatusServiceUnavailable && r.retry != "1" {
			t.Errorf("503 with Retry-After %q, want 1", r.retry)
			break
		}
	}
	within(t, 20*time.Second, func() error {
		if q := b.queue(t); q.QueueLimit != 500 {
			return fmt.Errorf("queue %+v, want it open", q)
		}
		return nil
	})
	b.killedWhileLimited(t)
	if log := b.journal(service("rush", 1)); strings.Count(log, "the queue is limited") < 2 || !strings.Contains(log, "the queue is open again") {
		t.Errorf("the log should tell of limited queues:\n%s", log)
	}
}

func (b *box) killedWhileLimited(t *testing.T) {
	t.Helper()
	over := make(chan []rushed, 1)
	go func() { over <- b.rush("/sleep?ms=50", 120, 3*time.Second) }()
	within(t, 20*time.Second, func() error {
		if q := b.queue(t); q.QueueLimit >= q.Backlog {
			return fmt.Errorf("queue %+v, want it limited", q)
		}
		return nil
	})
	before := b.property(t, service("rush", 1), "MainPID")
	b.run(t, "kill", "-KILL", before)
	<-over
	within(t, 20*time.Second, func() error {
		if now := b.property(t, service("rush", 1), "MainPID"); now == before || now == "0" {
			return fmt.Errorf("PID %s, want another than %s", now, before)
		}
		return nil
	})
	within(t, 20*time.Second, func() error {
		if got, err := b.get("rush", "/"); err != nil || got.status != http.StatusOK {
			return fmt.Errorf("answered %v, %v", got, err)
		}
		if q := b.queue(t); q.QueueLimit != 500 {
			return fmt.Errorf("queue %+v, want it open", q)
		}
		return nil
	})
}
