package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Rule is the promise that a violation is about.
type Rule string

// The rules.
const (
	RuleRefused  Rule = "the socket never refuses"
	RuleServing  Rule = "never in the data path"
	RuleBusy     Rule = "busy is not dead"
	RuleLost     Rule = "no request is lost by what we perform"
	RuleRight    Rule = "what is answered is right"
	RulePatience Rule = "requests are answered or 503"
	RuleRecovery Rule = "recovers when the fault is over"
	RuleLeak     Rule = "nothing is leaked"
	RuleLeft     Rule = "nothing is left behind"
	RuleFiles    Rule = "what is generated is right"
	RuleOrders   Rule = "orders are obeyed"
)

// Violation is a promise that did not hold.
type Violation struct {
	Rule   Rule          `json:"rule"`
	At     time.Duration `json:"at"`
	Member string        `json:"member,omitempty"`
	Detail string        `json:"detail"`
	// Evidence is what the member had to say: its status and its last log lines.
	Evidence string `json:"evidence,omitempty"`
}

func (v Violation) String() string {
	return fmt.Sprintf("%v %s: %s: %s", v.At.Round(time.Millisecond), v.Member, v.Rule, v.Detail)
}

const (
	// grace is how late a consequence of a fault may be seen.
	grace = time.Second
	// kinship is how far a loss and the kill that explains it may lie apart.
	kinship = 250 * time.Millisecond
	// leastServe is the shortest window in which a request must be answered: an only
	// worker may be busy with the longest of our requests when it begins.
	leastServe = longest * 3 / 2
	// echo is how long an answer may be under way that was given before.
	echo = 50 * time.Millisecond
)

// Judge finds what no fault excuses. It is pure.
func Judge(h History) []Violation {
	var all []Violation
	lost := judgeKills(h)
	for _, q := range h.Requests {
		if rule, why := judgeRequest(h, q, lost); rule != "" {
			all = append(all, Violation{
				Rule: rule, At: q.End, Member: q.Member,
				Detail: fmt.Sprintf("request %d, %s, %s after %v%s: %s", q.ID, q.What, q.Outcome, (q.End - q.Begin).Round(time.Millisecond), why, q.Detail),
			})
		}
	}
	all = append(all, judgeVerdicts(h)...)
	all = append(all, judgeServing(h)...)
	slices.SortStableFunc(all, func(a, b Violation) int { return int(a.At/time.Millisecond) - int(b.At/time.Millisecond) })
	return all
}

// judgeKills tells which lost requests a kill excuses: its victims, and as many
// others under way at that moment as it held connections of unknown processes.
func judgeKills(h History) map[int]bool {
	excused := map[int]bool{}
	for _, k := range h.Kills {
		for _, id := range k.Victims {
			excused[id] = true
		}
	}
	for _, k := range h.Kills {
		left := k.Foreign
		for _, q := range h.Requests {
			if left == 0 {
				break
			}
			under := q.Begin <= k.At+kinship && q.End >= k.At-kinship
			if q.Outcome == Lost && !excused[q.ID] && concerns(q.Member, k.Member) && under {
				excused[q.ID] = true
				left--
			}
		}
	}
	return excused
}

// judgeRequest names the rule that a request's outcome breaks, if it does.
func judgeRequest(h History, q Request, excused map[int]bool) (Rule, string) {
	during := func(may func(Window) bool) bool {
		return slices.ContainsFunc(h.Windows, func(w Window) bool {
			return concerns(q.Member, w.Member) && may(w) && q.End >= w.From && (w.To == Endless || q.Begin <= w.To+grace)
		})
	}
	switch q.Outcome {
	case Answered:
	case Unavailable:
		if !during(func(w Window) bool { return w.Starves }) {
			return RulePatience, ", although a worker could live"
		}
	case Refused:
		if !during(func(w Window) bool { return w.Refuses }) {
			return RuleRefused, ""
		}
	case Full:
		wait := wouldHaveWaited(h, q)
		if max(wait, foreseenWait(h, q)) < queueWait/2 && !during(func(w Window) bool { return w.Floods || w.Refuses }) {
			return RuleRefused, fmt.Sprintf(", although it would have waited for %v", wait.Round(time.Millisecond))
		}
	case Lost:
		if !excused[q.ID] && !during(func(w Window) bool { return w.Loses }) {
			return RuleLost, ", held by no process that a fault killed"
		}
	case Late:
		return RulePatience, ""
	case Wrong:
		return RuleRight, ""
	}
	return "", ""
}

// queueWait is the default of limits.queue_wait, which all members have.
const queueWait = 2 * time.Second

// wouldHaveWaited is how long a request that was refused would have waited: until all but as many as there are workers
// were answered of those that were there before it, through nginx to any instance of its app. The supervisor measures the queue by samples, hence the judge's half.
func wouldHaveWaited(h History, refused Request) time.Duration {
	workers := h.Workers[refused.Member]
	var ends []time.Duration
	for _, q := range h.Requests {
		if concerns(q.Member, refused.Member) && q.Outcome != Full && q.Begin < refused.Begin && q.End > refused.Begin {
			ends = append(ends, q.End)
		}
	}
	if len(ends) <= workers {
		return 0
	}
	slices.Sort(ends)
	return ends[len(ends)-1-workers] - refused.Begin
}

// foreseenWait is how long a request that was refused would have waited if its member had gone on as it had for queueWait,
// during all of which a queue has stood: that one long request after another will be followed by short ones, cannot be known.
func foreseenWait(h History, refused Request) time.Duration {
	workers, from := h.Workers[refused.Member], refused.Begin-queueWait
	type change struct {
		at time.Duration
		by int
	}
	var changes []change
	served := 0
	for _, q := range h.Requests {
		if !concerns(q.Member, refused.Member) || q.Outcome == Full || q.Begin >= refused.Begin || q.End <= from {
			continue
		}
		changes = append(changes, change{max(q.Begin, from), 1})
		if q.End <= refused.Begin {
			changes = append(changes, change{q.End, -1})
			served++
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), b.by-a.by) })
	underWay := 0
	for _, c := range changes {
		underWay += c.by
		if underWay <= workers && c.at > from {
			return 0
		}
	}
	if served == 0 {
		return 0
	}
	return time.Duration(underWay-workers) * queueWait / time.Duration(served)
}

// condemning are the causes that need a fault to explain them.
var condemning = []string{"probe", "stuck", "start-timeout", "crash", "spawn-error", "cut"}

func judgeVerdicts(h History) []Violation {
	var all []Violation
	for _, v := range h.Verdicts {
		if !slices.Contains(condemning, v.Cause) {
			continue
		}
		explained := slices.ContainsFunc(h.Windows, func(w Window) bool {
			return concerns(w.Member, v.Member) && (w.Condemns || w.Starves) && v.At >= w.From && (w.To == Endless || v.At <= w.To+5*grace)
		}) || v.Cause == "crash" && slices.ContainsFunc(h.Kills, func(k Kill) bool {
			return concerns(k.Member, v.Member) && v.At >= k.At && v.At <= k.At+10*grace
		})
		if !explained {
			all = append(all, Violation{
				Rule: RuleBusy, At: v.At, Member: v.Member,
				Detail: fmt.Sprintf("%d times %s, and no fault explains it: %s", v.Count, v.Cause, v.Detail),
			})
		}
	}
	return all
}

// judgeServing: while nothing but a supervisor is hit, its workers answer.
func judgeServing(h History) []Violation {
	var all []Violation
	for n, w := range h.Windows {
		if !w.Serves || w.To == Endless || w.To-w.From < leastServe || disturbed(h, n) {
			continue
		}
		asked, answered := 0, 0
		for _, q := range h.Requests {
			if q.Member != w.Member || q.Begin > w.To || q.End < w.From+echo {
				continue
			}
			asked++
			if q.Outcome == Answered && q.End <= w.To {
				answered++
			}
		}
		if asked > 0 && answered == 0 {
			all = append(all, Violation{
				Rule: RuleServing, At: w.To, Member: w.Member,
				Detail: fmt.Sprintf("none of %d requests was answered from %v to %v, while %s left the workers alone",
					asked, w.From.Round(time.Millisecond), w.To.Round(time.Millisecond), w.Kind),
			})
		}
	}
	return all
}

// disturbed reports whether something else hit the member, during a window or shortly before.
func disturbed(h History, n int) bool {
	w := h.Windows[n]
	for m, other := range h.Windows {
		if m != n && concerns(other.Member, w.Member) && other.From <= w.To && (other.To == Endless || other.To+grace >= w.From) {
			return true
		}
	}
	return slices.ContainsFunc(h.Kills, func(k Kill) bool {
		return concerns(k.Member, w.Member) && k.At >= w.From-grace && k.At <= w.To
	})
}
