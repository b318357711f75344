package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// ring is a bell for tests: receivers by name, and what becomes of what they are sent.
type ring struct {
	mu    sync.Mutex // heard
	heard map[string][]Notification
	// answer says how a receiver takes a message; nil takes all.
	answer func(ctx context.Context, receiver string) error
	dead   bool
}

func (r *ring) deliver(ctx context.Context, _ []fcgisup.Receiver, to fcgisup.Receiver, n Notification) error {
	if r.dead {
		return errors.New("killed")
	}
	if r.answer != nil {
		if err := r.answer(ctx, to.Name); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard == nil {
		r.heard = map[string][]Notification{}
	}
	r.heard[to.Name] = append(r.heard[to.Name], n)
	return nil
}

func (r *ring) titles(receiver string) []string {
	var all []string
	for _, n := range r.heard[receiver] {
		all = append(all, n.Title)
	}
	return all
}

func alerts(names ...string) fcgisup.Alerts {
	a := fcgisup.Alerts{For: time.Minute}
	for _, name := range names {
		a.To = append(a.To, fcgisup.Receiver{Name: name, Exec: []string{"/bin/" + name}})
	}
	return a
}

func start(t *testing.T, o Options, r *ring) *Alerter {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	o.Deliver = r.deliver
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(t.Context()) })
	return a
}

// watch shows a frame for as long as d, a look every 5 s.
func watch(a *Alerter, words string, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Second) {
		a.Observe(frame(words, time.Now()), time.Now())
	}
	synctest.Wait()
}

func TestAlerter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ring{}
		a := start(t, Options{Alerts: alerts("mail", "page"), Dir: t.TempDir()}, r)
		watch(a, "UU", time.Minute)
		watch(a, "DD", 2*time.Minute)
		watch(a, "UU", 2*time.Minute)
		for _, receiver := range []string{"mail", "page"} {
			want := []string{"DOWN: a (all 2 instances) on web1", "UP: a (all 2 instances) on web1"}
			if got := r.titles(receiver); !slices.Equal(got, want) {
				t.Errorf("%s heard %q", receiver, got)
			}
		}
		if first := r.heard["mail"][0].ID; first != r.heard["page"][0].ID || first == r.heard["mail"][1].ID {
			t.Error("the ID does not stand for the message")
		}
	})
}

// TestHangingReceiver: one receiver hangs and another refuses; the third hears at once, and the loop goes on.
func TestHangingReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at time.Duration
		r := &ring{answer: func(ctx context.Context, receiver string) error {
			switch receiver {
			case "hangs":
				<-ctx.Done()
				return ctx.Err()
			case "refuses":
				return errors.New("no")
			}
			at = time.Since(began)
			return nil
		}}
		var log bytes.Buffer
		a := start(t, Options{Alerts: alerts("hangs", "refuses", "works"), Log: slog.New(slog.NewTextHandler(&log, nil))}, r)
		watch(a, "D", 10*time.Minute)
		if at != time.Minute {
			t.Errorf("heard after %s", at)
		}
		if n := strings.Count(log.String(), "alert not delivered"); n != 1 {
			t.Errorf("a failing receiver is logged %d times:\n%s", n, &log)
		}
		for metric, want := range map[string]float64{
			`fcgisup_alerts_pending{receiver="hangs"}`: 1, `fcgisup_alerts_pending{receiver="works"}`: 0,
			`fcgisup_alerts_sent_total{receiver="works",result="ok"}`: 1, `fcgisup_alerts_sent_total{receiver="refuses",result="ok"}`: 0,
			`fcgisup_alerts_firing`: 1,
		} {
			if got := gather(t, a)[metric]; got != want {
				t.Errorf("%s is %v, want %v", metric, got, want)
			}
		}
		if got := gather(t, a)[`fcgisup_alerts_sent_total{receiver="refuses",result="failed"}`]; got < 5 {
			t.Errorf("only %v attempts in 9 minutes", got)
		}
		if st := a.Receivers(); st[1].Error != "no" || st[1].Pending != 1 || st[2].Sent.IsZero() || st[2].Kind != "exec" {
			t.Errorf("status %+v", st)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := a.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

func gather(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			all[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

// TestDeliveredLate: a service that is away for hours gets all, in order, and one line is logged at each end.
func TestDeliveredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		r := &ring{answer: func(context.Context, string) error {
			if away {
				return errors.New("no route to host")
			}
			return nil
		}}
		var log bytes.Buffer
		a := start(t, Options{Alerts: alerts("mail"), Log: slog.New(slog.NewTextHandler(&log, nil))}, r)
		watch(a, "D", time.Hour)
		watch(a, "U", 3*time.Hour)
		away = false
		watch(a, "U", 10*time.Minute)
		if got := r.titles("mail"); !slices.Equal(got, []string{"DOWN: a on web1", "UP: a on web1"}) {
			t.Errorf("heard %q", got)
		}
		if a, b := strings.Count(log.String(), "alert not delivered"), strings.Count(log.String(), "delivered again"); a != 1 || b != 1 {
			t.Errorf("logged %d and %d times:\n%s", a, b, &log)
		}
	})
}

func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ring{answer: func(_ context.Context, receiver string) error {
			if receiver == "old" {
				return errors.New("away")
			}
			return nil
		}}
		var log bytes.Buffer
		a := start(t, Options{Alerts: alerts("old", "both"), Log: slog.New(slog.NewTextHandler(&log, nil))}, r)
		watch(a, "D", 2*time.Minute)
		next := alerts("both", "new")
		next.Repeat = time.Minute
		a.Configure(next)
		watch(a, "D", time.Minute)
		if got := r.titles("new"); !slices.Equal(got, []string{"STILL DOWN: a on web1"}) {
			t.Errorf("new heard %q", got)
		}
		if got := r.titles("both"); len(got) != 2 {
			t.Errorf("both heard %q", got)
		}
		if !strings.Contains(log.String(), "no longer configured") {
			t.Errorf("nothing is logged of what is lost:\n%s", &log)
		}
	})
}

// TestNoDisk: what cannot be saved is sent anyway, and reported once.
func TestNoDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, r := t.TempDir(), &ring{}
		blocked := filepath.Join(dir, stateName+".new")
		if err := os.MkdirAll(filepath.Join(blocked, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		a := start(t, Options{Alerts: alerts("mail"), Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}, r)
		watch(a, "D", 5*time.Minute)
		if got := r.titles("mail"); len(got) != 1 {
			t.Errorf("heard %q", got)
		}
		if n := strings.Count(log.String(), "would not outlive"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, &log)
		}
		if err := os.RemoveAll(blocked); err != nil {
			t.Fatal(err)
		}
		watch(a, "D", 2*time.Minute)
		if !strings.Contains(log.String(), "saved again") {
			t.Errorf("not saved when it could be:\n%s", &log)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTwoAtOnce(t *testing.T) {
	dir := t.TempDir()
	a := start(t, Options{Alerts: alerts("mail"), Dir: dir}, &ring{})
	if _, err := New(Options{Dir: dir, Log: slog.Default()}); err == nil || !strings.Contains(err.Error(), "holds the lock") {
		t.Errorf("a second one: %v", err)
	}
	a.Close(t.Context())
	start(t, Options{Alerts: alerts("mail"), Dir: dir}, &ring{})
}

// FuzzState: whatever is on disk, alerts begin, and work.
func FuzzState(f *testing.F) {
	good := newState()
	good.Machine.observe(takeSnapshot(frame("DU", epoch)), epoch)
	good.Queues["mail"] = newQueue()
	good.Queues["mail"].push(Notification{Event: Down}, epoch)
	dir := f.TempDir()
	if err := (&store{dir: dir}).save(good); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, bad := range []string{"", "{}", "null", `{"version":1}`, `{"version":2,"machine":{"troubles":{}},"queues":{}}`, `{"version":1,"machine":{"troubles":{"a@1":null}},"queues":{}}`, `{"version":1,"machine":{"troubles":{}},"queues":{"mail":null}}`, "\x00\xff"} {
		f.Add([]byte(bad))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &store{dir: t.TempDir()}
		if err := os.WriteFile(filepath.Join(s.dir, stateName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		st, err := s.load()
		if _, kept := os.Stat(filepath.Join(s.dir, stateName+".bad")); (err != nil) != (kept == nil) {
			t.Fatalf("%v, but %v", err, kept)
		}
		now := epoch
		for range 30 {
			st.Machine.observe(takeSnapshot(frame("DU", now)), now)
			st.Machine.notifications(rules{hold: time.Minute, repeat: time.Minute}, now)
			now = now.Add(5 * time.Second)
		}
		for _, q := range st.Queues {
			q.push(Notification{}, now)
			if _, ok := q.take(now); ok {
				q.finish("no", now)
			}
		}
		if err := s.save(st); err != nil {
			t.Fatal(err)
		}
	})
}

// TestObserveKeepsNothing: a report may be changed once Observe has returned.
func TestObserveKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ring{}
		a := start(t, Options{Alerts: alerts("mail")}, r)
		for range 20 {
			report := frame("D", time.Now())
			a.Observe(report, time.Now())
			report.Apps[0].Instances[0].Health = monitor.Up
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		if len(r.heard["mail"]) != 1 {
			t.Errorf("heard %v", r.heard)
		}
	})
}
