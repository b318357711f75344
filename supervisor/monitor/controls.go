package monitor

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

const (
	// answerTimeout bounds the wait for one supervisor; its own for its loops is shorter.
	answerTimeout = 3 * time.Second
	// oldAnswers in intervals, or leastOld, is how long an answer stands for a
	// supervisor that does not give another.
	oldAnswers = 3
	leastOld   = 15 * time.Second
)

// controlSocket is a supervisor as far as it has answered.
type controlSocket struct {
	path   string
	asked  bool // an answer is awaited
	mute   bool // the last one did not come in time
	all    []control.Status
	at     time.Time // of all
	err    error     // of the last asking
	warned bool      // err has been logged
	// refused counts answers in a row that could not be read.
	refused int
}

// answer is that of a control socket.
type answer struct {
	all []control.Status
	at  time.Time
	err error
}

// lookAtControls asks all supervisors that are not being asked.
func (m *Monitor) lookAtControls(ctx context.Context) {
	paths, err := m.opt.Sockets()
	if err != nil {
		m.opt.Log.Error("cannot look for control sockets", "error", err)
		return
	}
	there := make(map[string]bool, len(paths))
	var ready, suspect []*controlSocket
	for _, path := range paths {
		there[path] = true
		c := m.controls[path]
		if c == nil {
			c = &controlSocket{path: path}
			m.controls[path] = c
		}
		if c.asked {
			continue
		}
		c.asked = true
		m.await()
		if c.mute {
			suspect = append(suspect, c)
		} else {
			ready = append(ready, c)
		}
	}
	for path, c := range m.controls {
		if !there[path] && !c.asked {
			delete(m.controls, path)
		}
	}
	apps := m.apps
	ask := func(c *controlSocket) { m.ask(ctx, c, apps) }
	go through(ctx, m.asking.ready, ready, ask)
	go through(ctx, m.asking.suspect, suspect, ask)
}

// ask reads only what never changes of c.
func (m *Monitor) ask(ctx context.Context, c *controlSocket, apps []fcgisup.App) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	all, err := m.opt.Status(ctx, c.path, apps)
	a := answer{all, time.Now(), err}
	m.post(func() {
		m.told(c, a)
		m.answered()
	})
}

// told takes a supervisor's answer, or that there was none.
func (m *Monitor) told(c *controlSocket, a answer) {
	c.asked, c.err = false, a.err
	c.mute = a.err != nil && !gone(a.err)
	switch {
	case a.err == nil:
		c.refused = 0
		// A supervisor is its app's user's, and may say anything.
		c.all = slices.DeleteFunc(a.all, func(st control.Status) bool {
			return st.Instance < 1 || fcgisup.CheckName(st.App) != nil
		})
		c.at, c.warned = a.at, false
		return
	case gone(a.err):
		c.all, c.refused = nil, 0
	case unreadable(a.err):
		c.refused++
	}
	m.counts.unanswered.Add(1)
	if !c.warned && c.mute {
		c.warned = true
		m.opt.Log.Warn("a supervisor does not answer", "socket", c.path, "error", foreign(a.err.Error()))
	}
}

// gone reports whether no process listens at a control socket.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// refusedAsDown answers in a row that cannot be read make the instances of a
// supervisor count as down: what hides how they are is a failure of its own.
const refusedAsDown = 3

// unreadable reports whether a supervisor has answered, or something in its place,
// and its answer is too large or malformed. One that takes too long may be busy.
func unreadable(err error) bool {
	var late interface{ Timeout() bool }
	return !gone(err) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) &&
		(!errors.As(err, &late) || !late.Timeout())
}

// refusal is why the answers of a supervisor count for nothing.
func (c *controlSocket) refusal() string {
	if c == nil || c.err == nil || c.refused < refusedAsDown {
		return ""
	}
	return "the answer of its supervisor cannot be read: " + foreign(c.err.Error())
}

// voice is what a supervisor says of one instance, or why it says nothing.
type voice struct {
	status  *control.Status
	at      time.Time
	silence string
	// refused is why it counts as down: its supervisor answers nothing that can be read.
	refused string
}

// voices are those of all instances, configured or not.
func (m *Monitor) voices(now time.Time) map[fcgisup.Instance]voice {
	old := m.old()
	said := map[fcgisup.Instance]voice{}
	for _, c := range m.controls {
		for i := range c.all {
			st := &c.all[i]
			key := fcgisup.Instance{App: st.App, Number: st.Instance}
			v := voice{status: st, at: c.at}
			if why := c.refusal(); why != "" {
				v = voice{refused: why}
			} else if c.err != nil && now.Sub(c.at) > old {
				v = voice{silence: "its supervisor does not answer: " + foreign(c.err.Error())}
			}
			if other, ok := said[key]; ok && (v.status == nil || other.at.After(v.at)) {
				continue // another supervisor knows it better
			}
			said[key] = v
		}
	}
	return said
}

// silence is why the supervisor behind a socket has not told its instances yet.
func (m *Monitor) silence(path string) string {
	c := m.controls[path]
	switch {
	case c == nil:
		return ""
	case c.err != nil:
		return "its supervisor does not answer: " + foreign(c.err.Error())
	}
	return "its supervisor has not answered yet"
}
