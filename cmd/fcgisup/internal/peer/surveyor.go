package peer

import (
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// ListenersOf returns whether a process of this network namespace listens at a unix path.
func ListenersOf(survey *scoreboard.Survey) func(path string) bool {
	return func(path string) bool {
		l, err := survey.Find("unix", path)
		if err == nil {
			_ = l.Close()
		}
		return err == nil
	}
}

// Surveyor looks at listeners of this host for many who ask, each about one. They
// share a survey where they ask at about the same time: one that comes while one is
// made waits, and gets the next together with all who came meanwhile. The zero
// value is ready.
type Surveyor struct {
	mu     sync.Mutex
	survey *scoreboard.Survey
	// begun is when it was, took how long its lists took to make.
	begun time.Time
	took  time.Duration
}

// recent is how old a survey may be that took so long to make: ten times that, so
// that making them is a tenth of the time, but not so old that a earlier request
// may have ended and another begun. One that itself takes that long, on a host with
// a great many sockets, is recent for as long again, or all would wait for surveys.
func recent(took time.Duration) time.Duration {
	return max(min(10*took, Recently), 2*took)
}

// Recently is how old a look may be to tell how something was now.
const Recently = 100 * time.Millisecond

// Look finds who listens and what the kernel knows of it: fresh, which is after
// the call, or recently; at is since when it was so at the earliest. The listener
// is the caller's to close.
func (s *Surveyor) Look(network, addr string, fresh bool) (l *scoreboard.Listener, sample scoreboard.Sample, at time.Time, err error) {
	since := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !fresh {
		since = since.Add(-recent(s.took))
	}
	if s.survey == nil || s.begun.Before(since) {
		s.survey, s.begun, s.took = scoreboard.NewSurvey(), time.Now(), 0
	}
	begun := time.Now()
	if l, err = s.survey.Find(network, addr); err == nil {
		sample = s.survey.Look(l)
	}
	s.took = max(s.took, time.Since(begun))
	return l, sample, s.begun, err
}
