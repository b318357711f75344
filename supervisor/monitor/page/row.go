package page

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// row is an instance as the templates show it.
type row struct {
	*monitor.Instance
	// ID is its anchor.
	ID    string
	Level level
	// Icon is that of the health, or of trouble.
	Icon string
	// State is what it is beyond its health, empty if that says it all.
	State string
	// Since is when that began.
	Since template.HTML

	Workers, Busy, Queue, Limit, InFlight, Oldest string
	// Limited is set while the queue stands and is kept short (limits.queue_wait).
	Limited bool
	// Strained marks a queue that stands.
	Strained bool
	Ended    uint64
	EndedBy  []named
	Tested   string
	TestedOK bool
	History  history
	// Notes say in a line each what is going on, or wrong.
	Notes []string
	// Failure is set for what is wrong: it is then told without being asked for.
	Failure *control.Failure
	// Facts are for the details.
	Facts     []named
	WorkerSet []workerRow
	Probe     *control.ProbeStatus
	Last      *control.Failure
}

// named is a fact.
type named struct{ Name, Value string }

// workerRow is a worker in the details.
type workerRow struct {
	PID, Busy, Requests, Memory, Note string
	State                             control.State
	Since, Next                       template.HTML
	Generation                        int
}

func rowOf(in *monitor.Instance, end time.Time, zone *time.Location) row {
	r := row{
		Instance: in, ID: anchor(in), Level: levelOf(in), Icon: string(in.Health),
		Since: age(in.Since, zone), Workers: none, Queue: none, InFlight: none, Oldest: none,
		History: historyOf(in.History, end, zone), Probe: probeOf(in), Ended: in.Restarts,
	}
	r.Tested, r.TestedOK = tested(r.Probe)
	if in.Restarts > 0 {
		r.EndedBy = []named{{"by the monitor", strconv.FormatUint(in.Restarts, 10)}}
	}
	if in.Status != nil {
		r.supervised(in.Status, zone)
	}
	if in.Health == monitor.Up && r.Level == warn {
		r.Icon = string(warn)
	}
	r.Notes = notes(in)
	if r.Level == bad {
		r.Failure = r.Last
	}
	r.Facts = facts(in)
	return r
}

func anchor(in *monitor.Instance) string { return in.App + "@" + strconv.Itoa(in.Number) }

// sameWord are states that say no more than the health does.
var sameWord = map[control.InstanceState]monitor.Health{control.Up: monitor.Up, control.Sleeping: monitor.Asleep}

// supervised adds what a supervisor says.
func (r *row) supervised(st *control.Status, zone *time.Location) {
	if sameWord[st.State] != r.Health {
		r.State, r.Since = string(st.State), age(st.Since, zone)
	}
	ready, busy, told := 0, 0, len(st.Workers) > 0
	for _, w := range st.Workers {
		if w.State == control.Ready {
			ready++
		}
		switch {
		case w.Busy == nil:
			told = told && w.PID == 0
		case *w.Busy:
			busy++
		}
		r.WorkerSet = append(r.WorkerSet, workerOf(w, zone))
	}
	r.Workers = fmt.Sprintf("%d/%d", ready, len(st.Workers))
	if told && ready > 0 {
		r.Busy = strconv.Itoa(busy) + " busy"
	}
	r.Queue, r.InFlight, r.Oldest = optional(st.Queue), optional(st.InFlight), seconds(st.OldestRequestSeconds)
	switch {
	case st.QueueLimit != nil:
		r.Limit = strconv.Itoa(*st.QueueLimit)
		r.Limited = st.Backlog != nil && *st.QueueLimit < *st.Backlog
	case st.Backlog != nil: // of a supervisor that does not limit the queue
		r.Limit = strconv.Itoa(*st.Backlog)
	}
	r.Strained = st.State == control.Saturated
	for _, c := range control.Causes {
		if n := st.Exits[c]; n > 0 {
			r.Ended += n
			r.EndedBy = append(r.EndedBy, named{string(c), strconv.FormatUint(n, 10)})
		}
	}
	r.Last = st.LastFailure
}

func workerOf(w control.WorkerStatus, zone *time.Location) workerRow {
	r := workerRow{
		PID: none, Busy: none, Requests: none, Memory: none, State: w.State,
		Since: age(w.Since, zone), Generation: w.Generation,
	}
	if w.PID != 0 {
		r.PID, r.Busy, r.Requests, r.Memory = strconv.Itoa(w.PID), "?", "?", "?"
	}
	if w.Busy != nil {
		r.Busy = map[bool]string{true: "busy", false: "idle"}[*w.Busy]
	}
	if w.RequestsSeen != nil {
		r.Requests = strconv.FormatUint(*w.RequestsSeen, 10)
	}
	if w.MemoryBytes != nil {
		r.Memory = strings.TrimSpace(size(w.MemoryBytes) + " " + w.MemoryKind)
	}
	if w.Attempt > 0 {
		r.Note = plural(w.Attempt, "failure") + " in a row"
	}
	if w.Next != nil {
		r.Next = age(*w.Next, zone)
	}
	return r
}

// tested is a probe in a word or two.
func tested(p *control.ProbeStatus) (text string, ok bool) {
	switch {
	case p == nil:
		return none, true
	case p.Ping == control.PingNone:
		return "none", true
	case p.Skipped != "":
		return "skipped", true
	case p.OK:
		return "ok, " + duration(p.DurationSeconds), true
	case p.Failures > 1:
		return fmt.Sprintf("%s ×%d", p.Class, p.Failures), false
	}
	return string(p.Class), false
}

func notes(in *monitor.Instance) []string {
	var all []string
	if in.Why != "" {
		all = append(all, in.Why)
	}
	st := in.Status
	if st != nil && st.Rolling {
		all = append(all, "a restart or reload is under way")
	}
	if st != nil && st.ConfigError != "" {
		why := st.ConfigError
		if !strings.HasPrefix(why, control.AcceptedNote) {
			why = "the last reload changed nothing: " + why
		}
		all = append(all, why)
	}
	if st != nil && st.Denial != nil {
		all = append(all, fcgisup.Printable(st.Denial.String()))
	}
	if p := probeOf(in); in.Health == monitor.Up && p != nil && !p.OK && p.Error != "" {
		all = append(all, "the probe fails: "+p.Error)
	}
	return all
}

func facts(in *monitor.Instance) []named {
	all := []named{{"Address", in.Address}}
	add := func(name, value string) {
		if value != "" {
			all = append(all, named{name, value})
		}
	}
	add("Socket unit", in.SocketUnit)
	add("Service unit", in.ServiceUnit)
	st := in.Status
	if st == nil {
		return all
	}
	if s := st.QueueHeadSeconds; s != nil && *s > 0 {
		add("Head of the queue waits", seconds(s))
	}
	if n := st.Orphaned; n != nil && *n > 0 {
		add("Served though their client has gone", strconv.Itoa(*n))
	}
	for _, c := range []struct {
		name  string
		count uint64
	}{
		{"Gave up in the queue", st.Abandoned},
		{"Answered 503 for want of a worker", st.Rejected},
		{"Cut at stop_timeout", st.Cut},
		{"Scaled up", st.Scaled[control.Upward]},
		{"Scaled down", st.Scaled[control.Downward]},
	} {
		if c.count > 0 {
			add(c.name, strconv.FormatUint(c.count, 10))
		}
	}
	for _, m := range st.Missing {
		add("Not known", m)
	}
	return all
}
