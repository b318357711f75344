package chaos

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Step is one fault of a schedule.
type Step struct {
	Kind Kind `json:"kind"`
	// Member is the supervisor that it is about: its app, or app@instance.
	Member string `json:"member"`
	// Pick decides what else there is to choose: which worker, how many, how.
	Pick uint64 `json:"pick"`
	// Hold is how long the fault lasts.
	Hold time.Duration `json:"hold"`
	// Settle has the next step wait until the member is well again; without it
	// the next comes after Pause, on top of this one.
	Settle bool          `json:"settle"`
	Pause  time.Duration `json:"pause"`
}

func (s Step) String() string {
	text := fmt.Sprintf("%s %s pick=%d", s.Kind, s.Member, s.Pick)
	if s.Hold > 0 {
		text += fmt.Sprintf(" hold=%v", s.Hold)
	}
	if !s.Settle {
		text += fmt.Sprintf(" next-after=%v", s.Pause)
	}
	return text
}

// Schedule draws steps, one after the other, for ever.
type Schedule struct {
	random *rand.Rand
	traits []trait
	total  int
}

// NewSchedule is the schedule of a seed. What the machine can do, and which
// members it can have, changes nothing in it.
func NewSchedule(seed uint64) *Schedule {
	s := &Schedule{random: rand.New(rand.NewPCG(seed, 0)), traits: traits()}
	for _, t := range s.traits {
		s.total += t.weight
	}
	return s
}

// Next is the next step.
func (s *Schedule) Next() Step {
	t := s.draw()
	members := suited(t.kind)
	step := Step{
		Kind:   t.kind,
		Member: members[s.random.IntN(len(members))],
		Pick:   s.random.Uint64N(1000),
		Hold:   t.least,
		Settle: s.random.IntN(5) < 2,
		Pause:  time.Duration(20+s.random.IntN(600)) * time.Millisecond,
	}
	if t.extra > 0 {
		step.Hold += time.Duration(s.random.Int64N(int64(t.extra))).Round(time.Millisecond)
	}
	return step
}

func (s *Schedule) draw() trait {
	at := s.random.IntN(s.total)
	for _, t := range s.traits {
		if at -= t.weight; at < 0 {
			return t
		}
	}
	return s.traits[0]
}
