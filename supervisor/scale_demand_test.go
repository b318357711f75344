package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// TestDemand: what is not a client's request makes no pool grow, and none that was is forgotten.
func TestDemand(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	long := now.Add(-time.Hour)
	taken := scoreboard.Waiting{Waiter: scoreboard.Waiter{Peer: 7}}
	other := scoreboard.Waiting{Waiter: scoreboard.Waiter{Peer: 8}}
	gone := scoreboard.Waiting{Waiter: scoreboard.Waiter{Gone: true}}
	served := scoreboard.Request{Conn: scoreboard.Conn{Inode: 1, Peer: 7}}
	left := scoreboard.Request{Conn: scoreboard.Conn{Inode: 2, Gone: true}}
	late := scoreboard.Request{Conn: left.Conn, Since: now.Add(-time.Second / 2)}
	deserted := scoreboard.Request{Conn: left.Conn, Since: now.Add(-time.Second / 4)}
	for name, c := range map[string]struct {
		waiting     []scoreboard.Waiting
		requests    []scoreboard.Request
		waitersErr  error
		probing     bool
		began       time.Time
		probed      time.Time
		active      time.Time
		busy, queue int
	}{
		"nothing":                      {probed: long, active: long},
		"one served":                   {requests: []scoreboard.Request{served}, probed: long, active: now, busy: 1},
		"taken during the look":        {waiting: []scoreboard.Waiting{taken}, requests: []scoreboard.Request{served}, probed: long, active: now, busy: 1},
		"another waits":                {waiting: []scoreboard.Waiting{other}, requests: []scoreboard.Request{served}, probed: long, active: now, busy: 1, queue: 1},
		"waited, by an old list":       {waiting: []scoreboard.Waiting{taken}, requests: []scoreboard.Request{served}, waitersErr: errors.New("refused"), probed: long, active: now, busy: 1, queue: 1},
		"those who left are not equal": {waiting: []scoreboard.Waiting{gone}, requests: []scoreboard.Request{left}, probed: long, active: now, busy: 1, queue: 1},
		"the probe":                    {requests: []scoreboard.Request{served}, probing: true, probed: long, active: long},
		"the probe waits":              {waiting: []scoreboard.Waiting{other}, requests: []scoreboard.Request{served}, probing: true, probed: long, active: now, busy: 1},
		"what a probe leaves":          {requests: []scoreboard.Request{served}, probed: now.Add(-time.Millisecond), active: long},
		"what a slow worker has left":  {requests: []scoreboard.Request{late}, began: now.Add(-time.Second), probed: now.Add(-time.Second / 2), active: long},
		"abandoned after a probe":      {requests: []scoreboard.Request{deserted}, began: now.Add(-time.Second), probed: now.Add(-time.Second / 2), active: now, busy: 1},
		"gone before the look":         {probed: long, active: now.Add(-quietAfter / 2), busy: 1},
		"gone for long":                {probed: long, active: now.Add(-quietAfter)},
	} {
		t.Run(name, func(t *testing.T) {
			i := &instance{}
			i.probing, i.probeBegin, i.probeEnd, i.activeAt = c.probing, c.began, c.probed, c.active
			i.slots = []*slot{{id: 1, m: worker.Machine{State: control.Ready}}}
			i.board.Waiting, i.board.Requests, i.board.WaitersErr = c.waiting, c.requests, c.waitersErr
			i.board.Queue.Length = len(c.waiting)
			view := scoreboard.WorkerView{ID: 1, Activity: scoreboard.Idle}
			if len(c.requests) > 0 {
				view.Activity = scoreboard.Busy
			}
			i.board.Workers = []scoreboard.WorkerView{view}
			if busy, queue := i.demand(now); busy != c.busy || queue != c.queue {
				t.Errorf("busy %d, queue %d; want %d, %d", busy, queue, c.busy, c.queue)
			}
		})
	}
}
