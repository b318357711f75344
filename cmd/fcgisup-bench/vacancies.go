package main

import (
	"slices"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
)

// vacancies follows, from one look at the processes to the next, which places kills have emptied and when each was
// filled again. It is pure. Who fills a place is a process that was not there before the kill, and the place that has
// been empty for longest is filled first: a sibling's return, which an earlier kill has caused, is not the last victim's.
type vacancies struct {
	target target
	want   int          // places; how many there were before the first kill
	known  map[int]bool // who has been there
	others map[int]bool // who has been there and was not a target: orphaned children are not new supervisors
	dead   map[int]bool // the victims
	empty  []int        // the kill of each place, the longest empty first
	fresh  int          // who came while a place was empty and has not filled one yet
	kills  []kill
}

// kill is one moment of killing.
type kill struct {
	at       time.Duration // from the beginning
	left     int           // places that are still empty
	replaced time.Duration // until none was
}

func newVacancies(t target) *vacancies {
	return &vacancies{target: t, known: map[int]bool{}, others: map[int]bool{}, dead: map[int]bool{}}
}

// look takes in who is there at an offset from the beginning, and returns who can be killed.
func (v *vacancies) look(at time.Duration, now peers.Workers) []int {
	targets := v.target.of(now)
	var present []int
	for _, pid := range targets {
		if v.dead[pid] || v.others[pid] {
			continue
		}
		if !v.known[pid] && len(v.empty) > 0 {
			v.fresh++
		}
		v.known[pid] = true
		present = append(present, pid)
	}
	if v.target.orphans {
		for _, pid := range now.Helpers {
			if !slices.Contains(targets, pid) && !v.known[pid] {
				v.others[pid] = true
			}
		}
	}
	// What has ended by itself leaves a place as well.
	for missing := max(0, v.want-len(present)); len(v.empty) > missing && v.fresh > 0; v.fresh-- {
		k := &v.kills[v.empty[0]]
		v.empty = v.empty[1:]
		if k.left--; k.left == 0 {
			k.replaced = at - k.at
		}
	}
	if len(v.empty) == 0 {
		v.fresh = 0
	}
	return present
}

// killed takes in who was killed, of present.
func (v *vacancies) killed(at time.Duration, present, victims []int) {
	if len(v.kills) == 0 {
		v.want = len(present)
	}
	for _, pid := range victims {
		v.dead[pid] = true
		v.empty = append(v.empty, len(v.kills))
	}
	v.kills = append(v.kills, kill{at: at, left: len(victims)})
}

// replaced is how long each kill took to be made good, in milliseconds, and of how many that never was.
func (v *vacancies) replaced() (took []float64, never int) {
	for _, k := range v.kills {
		if k.left > 0 {
			never++
			continue
		}
		took = append(took, milliseconds(k.replaced))
	}
	return took, never
}
