package alert

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestKilled: whenever the monitor is killed, and however often, nothing is told twice and nothing is lost.
func TestKilled(t *testing.T) {
	for seed := range uint64(15) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			dir, heard := t.TempDir(), &ring{}
			r := &ring{}
			a := start(t, Options{Alerts: alerts("mail", "page"), Dir: dir}, r)
			for i, words := range []string{"UUU UU", "DDD UU", "DDU DD", "UUU DD", "DUU DU", "UUU UU"} {
				for range 40 {
					if i == 3 { // the services are away meanwhile
						r.answer = func(context.Context, string) error { return errors.New("away") }
					}
					watch(a, words, 5*time.Second)
					if rng.IntN(25) > 0 {
						continue
					}
					image := t.TempDir()
					if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
						t.Fatal(err)
					}
					r.dead = true
					a.Close(t.Context())
					heard.add(r)
					dir, r = image, &ring{}
					a = start(t, Options{Alerts: alerts("mail", "page"), Dir: dir}, r)
				}
				r.answer = nil
			}
			watch(a, "UUU UU", 10*time.Minute)
			heard.add(r)
			for _, receiver := range []string{"mail", "page"} {
				heard.check(t, seed, receiver)
			}
		})
	}
}

func (r *ring) add(other *ring) {
	if r.heard == nil {
		r.heard = map[string][]Notification{}
	}
	for receiver, more := range other.heard {
		r.heard[receiver] = append(r.heard[receiver], more...)
	}
}

// check: each message once, down and up in turn, at the end all are up.
func (r *ring) check(t *testing.T, seed uint64, receiver string) {
	t.Helper()
	ids, downs, down := map[string]bool{}, map[string]int{}, map[string]bool{}
	for _, n := range r.heard[receiver] {
		if ids[n.ID] {
			t.Errorf("seed %d: %s heard %q twice", seed, receiver, n.Title)
		}
		ids[n.ID] = true
		for _, name := range n.instances() {
			if down[name] == (n.Event == Down) {
				t.Errorf("seed %d: %s heard %q although it knew", seed, receiver, n.Title)
			}
			if down[name] = n.Event == Down; down[name] {
				downs[name]++
			}
		}
	}
	for name, still := range down {
		if still {
			t.Errorf("seed %d: %s never heard that %s is up", seed, receiver, name)
		}
	}
	if want := map[string]int{"a@1": 2, "a@2": 1, "a@3": 1, "b@1": 1, "b@2": 1}; !maps.Equal(downs, want) {
		t.Errorf("seed %d: %s heard of %v, want %v", seed, receiver, downs, want)
	}
}

// TestClose: what was not tried is, what cannot be delivered is kept, and the next monitor has it.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := &ring{answer: func(ctx context.Context, receiver string) error {
			if receiver == "page" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		a := start(t, Options{Alerts: alerts("mail", "page"), Dir: dir}, r)
		watch(a, "D", time.Minute)
		a.Observe(frame("D", time.Now()), time.Now()) // the one that makes a minute
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := a.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
		if got := r.titles("mail"); len(got) != 1 {
			t.Errorf("mail heard %q", got)
		}
		next := &ring{}
		a = start(t, Options{Alerts: alerts("mail", "page"), Dir: dir}, next)
		watch(a, "D", time.Minute)
		if len(next.titles("mail")) != 0 || len(next.titles("page")) != 1 {
			t.Errorf("the next monitor told %v", next.heard)
		}
	})
}

// TestClosedWhilePending: a restart of the monitor, as by an upgrade, costs a trouble no more than the time between.
func TestClosedWhilePending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Alerts: alerts("mail"), Dir: t.TempDir()}
		o.Alerts.For = time.Hour
		for range 118 {
			a := start(t, o, &ring{})
			watch(a, "D", 32*time.Second)
			if err := a.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r := &ring{}
		watch(start(t, o, r), "D", 4*time.Minute)
		if len(r.heard["mail"]) != 1 {
			t.Errorf("heard %v after an hour", r.heard)
		}
	})
}

// TestRestartedWhileGathering: what waited for others when the monitor ended is told once reports come again, not before.
func TestRestartedWhileGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Alerts: alerts("mail"), Dir: t.TempDir()}
		a := start(t, o, &ring{})
		watch(a, "DD", 2*time.Minute)
		watch(a, "UD", 10*time.Second)
		watch(a, "UU", 55*time.Second) // the first is steady, the second nearly so
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st, err := (&store{dir: o.Dir}).load(); err != nil || st.Machine.UpOpen.IsZero() {
			t.Fatalf("nothing is being gathered: %v", err)
		}
		r := &ring{}
		a = start(t, o, r)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.titles("mail"); len(got) > 0 {
			t.Errorf("heard %q before any report", got)
		}
		watch(a, "UU", 2*time.Minute)
		if got := r.titles("mail"); !slices.Equal(got, []string{"UP: a (all 2 instances) on web1"}) {
			t.Errorf("heard %q", got)
		}
	})
}

// TestReloadedBeforeTheFirstReport: a reminder that is overdue waits for a report to be about.
func TestReloadedBeforeTheFirstReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := Options{Alerts: alerts("mail"), Dir: t.TempDir()}, &ring{}
		o.Alerts.Repeat = time.Hour
		a := start(t, o, &ring{})
		watch(a, "D", 2*time.Minute)
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		a = start(t, o, r)
		a.Configure(o.Alerts)
		synctest.Wait()
		if got := r.titles("mail"); len(got) > 0 {
			t.Errorf("heard %q before any report", got)
		}
		watch(a, "D", time.Minute)
		if got := r.titles("mail"); !slices.Equal(got, []string{"STILL DOWN: a on web1"}) {
			t.Errorf("heard %q", got)
		}
	})
}

// TestNoConfiguration: a monitor that finds none forgets neither what is firing nor what waits.
func TestNoConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Alerts: alerts("mail", "page"), Dir: t.TempDir()}
		first := &ring{answer: func(_ context.Context, receiver string) error {
			if receiver == "page" {
				return errors.New("away")
			}
			return nil
		}}
		a := start(t, o, first)
		watch(a, "D", 2*time.Minute)
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := &ring{}
		a = start(t, Options{NoConfig: true, Dir: o.Dir}, r)
		for range 200 {
			stranger := frame("x", time.Now())
			stranger.ConfigError = "there is no configuration"
			a.Observe(stranger, time.Now())
			time.Sleep(5 * time.Second)
		}
		watch(a, "U", time.Minute) // there is one now, and the monitor is ahead
		a.Configure(o.Alerts)
		watch(a, "D", 2*time.Minute)
		watch(a, "U", 2*time.Minute)
		if got := r.titles("mail"); !slices.Equal(got, []string{"UP: a on web1"}) {
			t.Errorf("mail heard %q", got)
		}
		if got := r.titles("page"); !slices.Equal(got, []string{"DOWN: a on web1", "UP: a on web1"}) {
			t.Errorf("page heard %q", got)
		}
	})
}

// TestQuietEndIsKept: a monitor that is killed does not remember what has ended quietly.
func TestQuietEndIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, r := t.TempDir(), &ring{}
		a := start(t, Options{Alerts: alerts("mail"), Dir: dir}, r)
		watch(a, "DU", 2*time.Minute)
		watch(a, ".U", 5*time.Second)
		image := t.TempDir()
		if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		a.Close(t.Context())
		next := &ring{}
		a = start(t, Options{Alerts: alerts("mail"), Dir: image}, next)
		watch(a, "UU", 5*time.Minute)
		if len(r.heard["mail"]) != 1 || len(next.heard) != 0 {
			t.Errorf("heard %v, then %v", r.titles("mail"), next.titles("mail"))
		}
	})
}
