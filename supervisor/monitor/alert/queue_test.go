package alert

import (
	"fmt"
	"testing"
	"time"
)

// TestQueueBackoff: the attempts come later and later, and end after a day.
func TestQueueBackoff(t *testing.T) {
	q, now := newQueue(), epoch
	q.push(Notification{ID: "1"}, now)
	q.push(Notification{ID: "2"}, now)
	var gaps []time.Duration
	last := now
	for len(q.Items) == 2 {
		now = q.next()
		gaps = append(gaps, now.Sub(last))
		last = now
		if n, ok := q.take(now); !ok || n.ID != "1" {
			t.Fatalf("took %q, %v: a later one must not overtake", n.ID, ok)
		}
		if _, ok := q.take(now); ok {
			t.Fatal("two attempts at once")
		}
		q.finish("it is gone", now)
	}
	want := []time.Duration{0, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute}
	if fmt.Sprint(gaps[:len(want)]) != fmt.Sprint(want) {
		t.Errorf("waits %s, want %s", gaps[:len(want)], want)
	}
	if life := now.Sub(epoch); life < maxMessageAge || life > maxMessageAge+lastRetry {
		t.Errorf("given up after %s", life)
	}
	if q.counts[Expired] != 1 || q.counts[Failed] != uint64(len(gaps)-1) {
		t.Errorf("counts %v", q.counts)
	}
	if n, ok := q.take(now); !ok || n.ID != "2" {
		t.Errorf("the next is not tried at once: %q, %v", n.ID, ok)
	}
}

// TestQueueFull: the oldest makes room, but not while it is being tried.
func TestQueueFull(t *testing.T) {
	for _, busy := range []bool{false, true} {
		q := newQueue()
		for i := range maxQueue {
			if q.push(Notification{ID: fmt.Sprint(i)}, epoch) != nil {
				t.Fatalf("dropped one of %d", i+1)
			}
		}
		want := "0"
		if busy {
			q.take(epoch)
			want = "1"
		}
		dropped := q.push(Notification{ID: "new"}, epoch)
		if dropped == nil || dropped.ID != want || len(q.Items) != maxQueue || q.counts[Dropped] != 1 {
			t.Fatalf("busy %v: dropped %v of %d, counts %v", busy, dropped, len(q.Items), q.counts)
		}
		if last := q.Items[maxQueue-1].Notification.ID; last != "new" {
			t.Errorf("the newest is %q", last)
		}
		if busy {
			if q.finish("", epoch); q.Items[0].Notification.ID != "2" {
				t.Errorf("the next is %q", q.Items[0].Notification.ID)
			}
		}
	}
}

func TestQueueClockSetBack(t *testing.T) {
	q := newQueue()
	q.push(Notification{ID: "1"}, epoch)
	if _, ok := q.take(epoch.Add(-24 * time.Hour)); !ok {
		t.Error("it waits for a day that has been already")
	}
}
