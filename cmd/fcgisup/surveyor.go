package main

import (
	"sync"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// surveyor looks at listeners of this host for many who ask, each about one. They
// share a survey where they ask at about the same time: whoever comes while one is
// made waits, and gets the next together with all who came meanwhile. The zero
// value is ready.
type surveyor struct {
	mu     sync.Mutex
	survey *scoreboard.Survey
	// begun is when it was, took how long its lists took to make.
	begun time.Time
	took  time.Duration
}

// recentFor is for how many times its price a survey is recent, so that making
// them is at most that part of the time.
const recentFor = 10

// look finds who listens and what the kernel knows of it: anew, which is after
// the call, or recently. The listener is the caller's to close.
func (s *surveyor) look(network, addr string, anew bool) (*scoreboard.Listener, scoreboard.Sample, error) {
	since := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !anew {
		since = since.Add(-recentFor * s.took)
	}
	if s.survey == nil || s.begun.Before(since) {
		s.survey, s.begun, s.took = scoreboard.NewSurvey(), time.Now(), 0
	}
	begun := time.Now()
	l, err := s.survey.Find(network, addr)
	var sample scoreboard.Sample
	if err == nil {
		sample = s.survey.Look(l)
	}
	s.took = max(s.took, time.Since(begun))
	return l, sample, err
}
