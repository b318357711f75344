package worker

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lineWriter writes the same line for ever, as fast as it is read.
type lineWriter struct {
	line string
	read atomic.Int64
}

func (w *lineWriter) Read(b []byte) (int, error) {
	n := 0
	for n+len(w.line) <= len(b) {
		n += copy(b[n:], w.line)
	}
	w.read.Add(int64(n))
	return n, nil
}

func TestAFloodIsReadAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		share, ended := NewOutputShare(), make(chan struct{})
		var passed, notices atomic.Int64
		flood := &lineWriter{line: strings.Repeat("x", 99) + "\n"}
		const seconds = 20
		done := make(chan struct{})
		go func() {
			defer close(done)
			p := share.pacer(ended, func(string) { notices.Add(1) })
			follow(io.LimitReader(flood, seconds*readShare*99/(99+readLine)), func(text []byte) {
				if p.pass(time.Now(), len(text)) {
					passed.Add(1)
				}
				p.wait(time.Now(), len(text))
			})
		}()
		begun := time.Now()
		<-done
		if took := time.Since(begun); took < (seconds-2)*time.Second || took > (seconds+1)*time.Second {
			t.Errorf("read in %s, want about %d s", took, seconds)
		}
		const most = (passBurst + quietBurst + seconds*(passShare+quietShare)) / (99 + passedLine)
		if n := passed.Load(); n > most+2 || n < most/2 {
			t.Errorf("%d lines passed, want about %d", n, most)
		}
		if n := notices.Load(); n < seconds/2 || n > seconds+1 {
			t.Errorf("%d notices of dropped lines in %d s", n, seconds)
		}
	})
}

func TestAQuietWorkerIsHeardBesideAFlood(t *testing.T) {
	share := NewOutputShare()
	now := time.Now()
	flood, quiet := share.pacer(nil, func(string) {}), share.pacer(nil, func(string) {})
	dropped := false
	for range 2 * (passBurst + quietBurst) / passedLine {
		dropped = !flood.pass(now, 0)
	}
	if !dropped {
		t.Fatal("no line of the flood was dropped")
	}
	for n := range 100 {
		if !quiet.pass(now, 200) {
			t.Fatalf("line %d of another worker was dropped", n)
		}
	}
}

// What an ended worker has written is read at once, but what it has left behind
// does not get more than a pipe's worth.
func TestTheEndOfAWorkerEndsThePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		p := NewOutputShare().pacer(ended, func(string) {})
		p.share.read.owe(time.Now(), readBurst+readShare) // a second behind
		go func() {
			time.Sleep(10 * time.Millisecond)
			close(ended)
		}()
		begun := time.Now()
		for range lastWords / 1000 {
			p.wait(time.Now(), 1000)
		}
		if took := time.Since(begun); took != 10*time.Millisecond {
			t.Errorf("the last words took %s", took)
		}
		for range 1000 {
			p.wait(time.Now(), 1000)
		}
		if took := time.Since(begun); took < time.Second {
			t.Errorf("after its end %s for 2 MB", took)
		}
	})
}

func TestBucket(t *testing.T) {
	now := time.Now()
	b := newBucket(100, 1000)
	for n := range 10 {
		if !b.take(now, 100) {
			t.Fatalf("take %d of 10 failed", n)
		}
	}
	if b.take(now, 1) {
		t.Error("more than the burst")
	}
	if d := b.owe(now, 50); d != 500*time.Millisecond {
		t.Errorf("50 at 100 a second: %s", d)
	}
	if now = now.Add(time.Second); !b.take(now, 1) {
		t.Error("nothing after a second")
	}
	if d := b.owe(now.Add(-time.Hour), 0); d > 0 { // a clock that is late
		t.Errorf("%s", d)
	}
	if d := b.owe(now.Add(time.Hour), 0); fmt.Sprint(d) != "-10s" {
		t.Errorf("filled beyond its burst: %s", d)
	}
}
