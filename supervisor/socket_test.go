package supervisor

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

func TestWorkersMoveToTheFreshSocket(t *testing.T) {
	for _, bad := range []string{"shut", "lost"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
				eager(a, h)
				a.Workers = fcgisup.Workers{Min: 2, Max: 2}
				h.ownFile = true
			})
			time.Sleep(5 * time.Second)
			b.host.spoil(bad)
			time.Sleep(3 * socketEvery)
			st := b.status.Load()
			if st.State != control.Up || len(st.Workers) != 2 || b.host.spawned() != 4 || b.host.renewed() != 1 {
				t.Errorf("%s: %s, %d workers, %d spawned, %d renewals", bad, st.State, len(st.Workers), b.host.spawned(), b.host.renewed())
			}
			for _, p := range b.host.procs[2:] {
				if p.Outdated() {
					t.Errorf("%s: a worker has the former socket", bad)
				}
			}
			if st.LastFailure == nil || st.LastFailure.Cause != control.ListenSocket {
				t.Errorf("%s: %+v", bad, st.LastFailure)
			}
		})
	}
}

// A listener that was shut down looks to epoll as if a connection waited, always.
func TestASocketThatCannotBeMadeAgainFailsAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, h *fakeHost) {
			eager(a, h)
			h.unrenewable = true
		})
		time.Sleep(5 * time.Second)
		b.host.spoil("shut")
		b.host.connected() // epoll
		time.Sleep(10 * socketRetry)
		st := b.status.Load()
		if st.State != control.InstanceFailing || st.LastFailure == nil || !strings.Contains(st.LastFailure.Detail, "another process's") {
			t.Errorf("%s, %+v", st.State, st.LastFailure)
		}
		if n := b.host.renewed(); n < 9 || n > 12 {
			t.Errorf("%d attempts in %s", n, 10*socketRetry)
		}
		b.host.last().die(1)
		time.Sleep(time.Second)
		if st := b.status.Load(); st.LastFailure.Cause != control.ListenSocket {
			t.Errorf("a worker's failure hides the socket's: %+v", st.LastFailure)
		}
		b.host.spoil("")
		time.Sleep(2 * socketRetry)
		if st := b.status.Load(); st.State != control.Up {
			t.Errorf("%s once it works again", st.State)
		}
	})
}

func TestWithoutEpollAnInstanceStaysAwakeAndLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(a *fcgisup.App, _ *fakeHost) { a.Limits.IdleTimeout = time.Minute })
		synctest.Wait()
		if st := b.status.Load(); st.State != control.Sleeping {
			t.Fatal(st.State)
		}
		b.host.mu.Lock()
		f := b.host.wake
		b.host.mu.Unlock()
		f(errors.New("epoll has ended"))
		time.Sleep(10 * time.Minute)
		if st := b.status.Load(); st.State != control.Up {
			t.Errorf("%s; an instance that nothing can wake must not sleep", st.State)
		}
		b.host.mu.Lock()
		b.host.waiting++ // and no event says so
		b.host.mu.Unlock()
		time.Sleep(5 * time.Second)
		if st := b.status.Load(); st.board.Queue.Length != 1 {
			t.Error("a connection was not looked for")
		}
	})
}
