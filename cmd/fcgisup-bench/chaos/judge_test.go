package chaos

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// ended is a request that was under way from one moment to another.
func ended(id int, o Outcome, from, to time.Duration) Request {
	return Request{ID: id, Member: "perl", What: "/", Begin: from * ms, End: to * ms, Outcome: o}
}

// TestJudge: fabricated histories, each with what must come of it. A judge that excuses everything fails it, and so
// does one that excuses nothing.
func TestJudge(t *testing.T) {
	kill := Kill{At: 1000 * ms, Member: "perl", Kind: KillWorker, PIDs: []int{5}, Victims: []int{1}}
	window := func(w Window) Window {
		w.Member, w.From, w.To = "perl", 1000*ms, 3000*ms
		return w
	}
	for name, c := range map[string]struct {
		h    History
		want Rule // empty: nothing is wrong
	}{
		"answered":                                   {History{Requests: []Request{ended(1, Answered, 0, 5)}}, ""},
		"a wrong answer":                             {History{Requests: []Request{ended(1, Wrong, 0, 5)}}, RuleRight},
		"a wrong answer in all windows":              {History{Requests: []Request{ended(1, Wrong, 2000, 2005)}, Windows: []Window{window(Window{Refuses: true, Loses: true, Starves: true, Floods: true})}}, RuleRight},
		"no answer":                                  {History{Requests: []Request{ended(1, Late, 0, 40_000)}}, RulePatience},
		"refused":                                    {History{Requests: []Request{ended(1, Refused, 0, 5)}}, RuleRefused},
		"refused with its supervisor":                {History{Requests: []Request{ended(1, Refused, 2000, 2005)}, Windows: []Window{window(Window{Refuses: true})}}, ""},
		"refused long after":                         {History{Requests: []Request{ended(1, Refused, 4500, 4505)}, Windows: []Window{window(Window{Refuses: true})}}, RuleRefused},
		"refused before":                             {History{Requests: []Request{ended(1, Refused, 900, 905)}, Windows: []Window{window(Window{Refuses: true})}}, RuleRefused},
		"refused by a socket that stays":             {History{Requests: []Request{ended(1, Refused, 2000, 2005)}, Windows: []Window{window(Window{Starves: true})}}, RuleRefused},
		"full":                                       {History{Requests: []Request{ended(1, Full, 0, 5)}}, RuleRefused},
		"full in a burst":                            {History{Requests: []Request{ended(1, Full, 2000, 2005)}, Windows: []Window{window(Window{Floods: true})}}, ""},
		"full with little before it":                 {overloaded(40, 50), RuleRefused},
		"full behind enough":                         {overloaded(50, 50), ""},
		"full behind what was slow until now":        {sped(4000), ""},
		"full behind what has come at once":          {sped(1500), RuleRefused},
		"full, and only long requests are under way": {overloaded(2, 1200), RuleRefused},
		"503":                             {History{Requests: []Request{ended(1, Unavailable, 0, 5)}}, RulePatience},
		"503 while no worker can live":    {History{Requests: []Request{ended(1, Unavailable, 2000, 2005)}, Windows: []Window{window(Window{Starves: true})}}, ""},
		"503 of another member":           {History{Requests: []Request{ended(1, Unavailable, 2000, 2005)}, Windows: []Window{{Member: "c", To: Endless, Starves: true}}}, RulePatience},
		"lost for nothing":                {History{Requests: []Request{ended(1, Lost, 0, 5)}}, RuleLost},
		"lost with its worker":            {History{Requests: []Request{ended(1, Lost, 990, 1001)}, Kills: []Kill{kill}}, ""},
		"lost beside a killed worker":     {History{Requests: []Request{ended(1, Answered, 990, 999), ended(2, Lost, 990, 1001)}, Kills: []Kill{kill}}, RuleLost},
		"lost with a connection unknown":  {History{Requests: []Request{ended(2, Lost, 990, 1001)}, Kills: []Kill{{At: 1000 * ms, Member: "perl", Foreign: 1}}}, ""},
		"two lost, one unknown":           {History{Requests: []Request{ended(2, Lost, 990, 1001), ended(3, Lost, 990, 1001)}, Kills: []Kill{{At: 1000 * ms, Member: "perl", Foreign: 1}}}, RuleLost},
		"lost later than the kill":        {History{Requests: []Request{ended(2, Lost, 1900, 1950)}, Kills: []Kill{{At: 1000 * ms, Member: "perl", Foreign: 1}}}, RuleLost},
		"lost with its queue":             {History{Requests: []Request{ended(2, Lost, 1900, 1950)}, Windows: []Window{window(Window{Loses: true})}}, ""},
		"lost through nginx":              {History{Requests: []Request{{ID: 2, Member: "web", Begin: 990 * ms, End: 1001 * ms, Outcome: Lost}}, Kills: []Kill{{At: 1000 * ms, Member: "web@2", Foreign: 1}}}, ""},
		"a worker crashes":                {History{Verdicts: []Verdict{{At: 1000 * ms, Member: "perl", Cause: "crash", Count: 1}}}, RuleBusy},
		"a worker crashes when killed":    {History{Verdicts: []Verdict{{At: 1200 * ms, Member: "perl", Cause: "crash", Count: 1}}, Kills: []Kill{kill}}, ""},
		"a worker is condemned":           {History{Verdicts: []Verdict{{At: 1200 * ms, Member: "perl", Cause: "stuck", Count: 1}}, Kills: []Kill{kill}}, RuleBusy},
		"a stopped worker is condemned":   {History{Verdicts: []Verdict{{At: 1200 * ms, Member: "perl", Cause: "probe", Count: 1}}, Windows: []Window{window(Window{Condemns: true})}}, ""},
		"requests are cut":                {History{Verdicts: []Verdict{{At: 1200 * ms, Member: "perl", Cause: "cut", Count: 1}}}, RuleBusy},
		"a worker is replaced":            {History{Verdicts: []Verdict{{At: 1200 * ms, Member: "perl", Cause: "operator", Count: 1}}}, ""},
		"served without a supervisor":     {History{Requests: []Request{ended(1, Answered, 1500, 1600)}, Windows: []Window{window(Window{Serves: true})}}, ""},
		"not served without a supervisor": {History{Requests: []Request{ended(1, Answered, 1500, 3600)}, Windows: []Window{window(Window{Serves: true})}}, RuleServing},
		"not served, and workers killed":  {History{Requests: []Request{ended(1, Answered, 1500, 3600)}, Windows: []Window{window(Window{Serves: true})}, Kills: []Kill{kill}}, ""},
	} {
		found := Judge(c.h)
		switch {
		case c.want == "" && len(found) > 0:
			t.Errorf("%s: %v, want nothing", name, found)
		case c.want != "" && (len(found) != 1 || found[0].Rule != c.want):
			t.Errorf("%s: %v, want %q once", name, found, c.want)
		}
	}
}

// overloaded has two workers serve so many requests, each for so many ms, when another is refused.
func overloaded(queued int, each time.Duration) History {
	h := History{Workers: map[string]int{"perl": 2}}
	for n := range queued {
		h.Requests = append(h.Requests, ended(n+2, Answered, 900, 1000+each*time.Duration(n/2+1)))
	}
	h.Requests = append(h.Requests, ended(1, Full, 1000, 1000))
	return h
}

// sped has two workers serve a request per second of a queue that has stood for so many ms, and then all the rest at once.
func sped(stood time.Duration) History {
	h := History{Workers: map[string]int{"perl": 2}}
	begin := 10_000 - stood
	for n := range 10 {
		h.Requests = append(h.Requests, ended(n+2, Answered, begin, 10_010))
	}
	for at := begin; at < 10_000; at += 1000 {
		h.Requests = append(h.Requests, ended(int(at), Answered, begin, at+500))
	}
	h.Requests = append(h.Requests, ended(1, Full, 10_000, 10_000))
	return h
}

// TestStalled: a machine without memory excuses verdicts on workers, and nothing else.
func TestStalled(t *testing.T) {
	if n, ok := parseStalled("some avg10=60.18 avg60=45.74 avg300=25.01 total=108366423\nfull avg10=41.59 avg60=24.98 avg300=12.28 total=50488195\n"); !ok || n != 50488195*time.Microsecond {
		t.Errorf("%v, %v", n, ok)
	}
	for _, text := range []string{"", "some avg10=0 total=1\n", "full total=x\n"} {
		if _, ok := parseStalled(text); ok {
			t.Errorf("%q is understood", text)
		}
	}
	r := newRecorder()
	r.stalled(time.Second)
	r.stalled(time.Second)
	r.judged(Verdict{At: r.now(), Member: "perl", Cause: "stuck", Count: 1})
	if h := r.history(); len(h.Windows) != 1 || len(Judge(h)) != 0 {
		t.Errorf("%+v, %v", h.Windows, Judge(h))
	}
	r.arrive(Request{Member: "perl", Outcome: Lost, End: r.now()})
	if found := Judge(r.history()); len(found) != 1 || found[0].Rule != RuleLost {
		t.Errorf("%v, want a lost request", found)
	}
}

// TestCompare: what one more worker needs is not a leak.
func TestCompare(t *testing.T) {
	fresh := footprint{descriptors: 16, workers: 2, goroutines: 23, memory: 13 << 20}
	for name, c := range map[string]struct {
		old  footprint
		want int
	}{
		"the same":                     {fresh, 0},
		"two more workers":             {footprint{20, 4, 29, 14 << 20}, 0},
		"descriptors":                  {footprint{26, 2, 23, 13 << 20}, 1},
		"goroutines":                   {footprint{16, 2, 60, 13 << 20}, 1},
		"memory":                       {footprint{16, 2, 23, 90 << 20}, 1},
		"everything":                   {footprint{99, 2, 99, 90 << 20}, 3},
		"goroutines of an unread dump": {footprint{16, 2, 0, 13 << 20}, 0},
	} {
		if got := compare(c.old, fresh); len(got) != c.want {
			t.Errorf("%s: %v, want %d complaints", name, got, c.want)
		}
	}
}
