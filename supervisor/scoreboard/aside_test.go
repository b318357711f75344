package scoreboard

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var blocked atomic.Int32
		a, other := Aside[int]{Blocked: &blocked}, Aside[int]{Blocked: &blocked}
		release := make(chan int)
		slow := func() (int, error) { return <-release, nil }
		fast := func() (int, error) { return 7, nil }

		if v, err := a.Read(time.Second, 0, fast); v != 7 || err != nil {
			t.Errorf("a read that does not block: %d, %v", v, err)
		}
		begun := time.Now()
		if v, err := a.Read(time.Second, 0, slow); !errors.Is(err, ErrBlocked) || v != 0 || time.Since(begun) != time.Second {
			t.Errorf("%d, %v after %s", v, err, time.Since(begun))
		}
		// One is enough, also of another kind, and no caller waits for it again.
		begun = time.Now()
		for range 100 {
			if _, err := a.Read(time.Second, 0, slow); !errors.Is(err, ErrBlocked) {
				t.Error(err)
			}
			if _, err := other.Read(time.Second, 0, fast); !errors.Is(err, ErrBlocked) {
				t.Error(err)
			}
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("waited for %s", d)
		}
		if v, err := a.Read(time.Second, time.Minute, slow); v != 7 || err != nil {
			t.Errorf("what is young enough: %d, %v", v, err)
		}
		time.Sleep(time.Minute)
		if _, err := a.Read(time.Second, time.Minute, slow); !errors.Is(err, ErrBlocked) {
			t.Errorf("what is too old: %v", err)
		}
		release <- 8
		synctest.Wait()
		if v, err := a.Read(time.Second, 0, fast); v != 7 || err != nil {
			t.Errorf("after the end: %d, %v", v, err)
		}
		if v, err := other.Read(time.Second, 0, fast); v != 7 || err != nil || blocked.Load() != 0 {
			t.Errorf("another after the end: %d, %v, %d blocked", v, err, blocked.Load())
		}
	})
}
