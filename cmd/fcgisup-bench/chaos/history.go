package chaos

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Outcome is how a request ended, as its client saw it.
type Outcome string

// The outcomes.
const (
	Answered    Outcome = "answered"    // with what was asked for, to the last byte
	Unavailable Outcome = "unavailable" // with 503
	Refused     Outcome = "refused"     // no process listens
	Full        Outcome = "full"        // EAGAIN: the backlog is full
	Lost        Outcome = "lost"        // the connection ended without an answer
	Late        Outcome = "late"        // no answer within the client's timeout
	Wrong       Outcome = "wrong"       // another answer than that asked for
)

// Outcomes are all of them.
var Outcomes = []Outcome{Answered, Unavailable, Refused, Full, Lost, Late, Wrong}

// Request is one request of a client. Times are since the run began.
type Request struct {
	ID int `json:"id"`
	// Member is the supervisor behind the socket; for requests through nginx the app.
	Member string `json:"member"`
	// What was asked for, and by which way.
	What    string        `json:"what"`
	Begin   time.Duration `json:"begin"`
	End     time.Duration `json:"end"`
	Outcome Outcome       `json:"outcome"`
	// Detail is the error, or the wrong answer.
	Detail string `json:"detail,omitempty"`
}

// Kill is the end of processes at the harness's hand.
type Kill struct {
	At     time.Duration `json:"at"`
	Member string        `json:"member"`
	Kind   Kind          `json:"kind"`
	PIDs   []int         `json:"pids"`
	// Victims are the requests that these processes held at that moment.
	Victims []int `json:"victims,omitempty"`
	// Foreign is how many more connections they held: nginx's, probes'.
	Foreign int `json:"foreign,omitempty"`
}

// Window is a time in which a fault explains what else would be a failure.
type Window struct {
	Member string        `json:"member"`
	Kind   Kind          `json:"kind"`
	From   time.Duration `json:"from"`
	// To is when the member was seen well again; endless while it was not.
	To time.Duration `json:"to"`
	// Refuses: its socket dies with its supervisor. Loses: with the queue.
	Refuses bool `json:"refuses,omitempty"`
	Loses   bool `json:"loses,omitempty"`
	// Starves: no worker can live, so there are 503s.
	Starves bool `json:"starves,omitempty"`
	// Floods: the backlog is full.
	Floods bool `json:"floods,omitempty"`
	// Condemns: workers may be found stuck, or end by themselves.
	Condemns bool `json:"condemns,omitempty"`
	// Serves: workers must go on answering, since only the supervisor is hit.
	Serves bool `json:"serves,omitempty"`
}

// Verdict is what fcgisup did to workers for a cause, as its status counts it.
type Verdict struct {
	At     time.Duration `json:"at"`
	Member string        `json:"member"`
	// Cause is one of control.Causes, or "cut".
	Cause string `json:"cause"`
	Count uint64 `json:"count"`
	// Detail is the last failure in the status.
	Detail string `json:"detail,omitempty"`
}

// Endless is the end of a window that was not closed.
const Endless = time.Duration(1<<63 - 1)

// History is what happened.
type History struct {
	Requests []Request `json:"requests"`
	Kills    []Kill    `json:"kills"`
	Windows  []Window  `json:"windows"`
	Verdicts []Verdict `json:"verdicts"`
	// Workers is how many each member may have at once.
	Workers map[string]int `json:"workers"`
}

// everybody is the member of what the whole machine suffers.
const everybody = "*"

// concerns reports whether what is about one is about the other: an app through
// nginx is all of its instances.
func concerns(one, other string) bool {
	return one == everybody || other == everybody || one == other || strings.HasPrefix(one, other+"@") || strings.HasPrefix(other, one+"@")
}

// recorder collects a history from many goroutines.
type recorder struct {
	began time.Time

	mu     sync.Mutex
	h      History
	nextID int
	// flying are the requests under way, by id.
	flying map[int]flight
}

// flight is a request under way: whose it is, and by which mark its connection
// can be found in the kernel's tables.
type flight struct {
	member string
	mark   string
}

func newRecorder() *recorder {
	return &recorder{began: time.Now(), h: History{Workers: map[string]int{}}, flying: map[int]flight{}}
}

func (r *recorder) now() time.Duration { return time.Since(r.began) }

// enlisted notes how many workers a member may have.
func (r *recorder) enlisted(member string, workers int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Workers[member] = workers
}

// depart begins a request.
func (r *recorder) depart(member string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nextID++
	r.flying[r.nextID] = flight{member: member}
	return r.nextID
}

// marked tells by which mark the request's connection is found.
func (r *recorder) marked(id int, mark string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.flying[id]
	f.mark = mark
	r.flying[id] = f
}

func (r *recorder) arrive(q Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flying, q.ID)
	r.h.Requests = append(r.h.Requests, q)
}

// byMark finds the requests under way with these marks; foreign are those marks of no process.
func (r *recorder) byMark(marks []string) (ids []int, foreign int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, f := range r.flying {
		if f.mark != "" && slices.Contains(marks, f.mark) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, max(len(marks)-len(ids), 0)
}

func (r *recorder) killed(k Kill) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Kills = append(r.h.Kills, k)
}

func (r *recorder) judged(v Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Verdicts = append(r.h.Verdicts, v)
}

// open begins a window; the function that it returns ends it.
func (r *recorder) open(w Window) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.From, w.To = r.now(), Endless
	at := len(r.h.Windows)
	r.h.Windows = append(r.h.Windows, w)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.h.Windows[at].To = r.now()
	}
}

// stalled adds a window for all, over the time that has just gone by, and joins
// it to the one before.
func (r *recorder) stalled(of time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for n := range r.h.Windows {
		if w := &r.h.Windows[n]; w.Member == everybody && now-w.To < 2*of {
			w.To = now
			return
		}
	}
	r.h.Windows = append(r.h.Windows, Window{Member: everybody, Kind: "short-memory", From: max(now-2*of, 0), To: now, Condemns: true})
}

// history is what was recorded so far.
func (r *recorder) history() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return History{
		Requests: slices.Clone(r.h.Requests), Kills: slices.Clone(r.h.Kills),
		Windows: slices.Clone(r.h.Windows), Verdicts: slices.Clone(r.h.Verdicts), Workers: maps.Clone(r.h.Workers),
	}
}
