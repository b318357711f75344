package supervisor

import (
	"testing"
	"time"
)

func TestArrivals(t *testing.T) {
	var a arrivals
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	a.observe(at(0), 1)
	a.observe(at(2), 3)
	if n := a.overdue(at(5), 5*time.Second); n != 1 {
		t.Errorf("%d overdue, want the first only", n)
	}
	a.observe(at(6), 2) // the head was taken
	if n := a.overdue(at(6), 5*time.Second); n != 0 {
		t.Errorf("%d overdue, want none: the oldest has gone", n)
	}
	a.observe(at(7), 0)
	a.observe(at(8), 1)
	if n := a.overdue(at(9), 5*time.Second); n != 0 {
		t.Errorf("%d overdue, want none: it is a new one", n)
	}
	if n := a.overdue(at(13), 5*time.Second); n != 1 {
		t.Errorf("%d overdue, want 1", n)
	}
}
