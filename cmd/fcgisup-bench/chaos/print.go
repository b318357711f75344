package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Print is the report for people.
func (r Report) Print(w io.Writer) {
	performed := 0
	var slowest time.Duration
	for _, s := range r.Steps {
		if s.Skipped == "" {
			performed++
			slowest = max(slowest, s.Recovery)
		}
	}
	fmt.Fprintf(w, "\n%d steps performed, %d skipped, in %v; the slowest recovery took %v\n",
		performed, len(r.Steps)-performed, r.Took.Round(time.Second), slowest.Round(time.Millisecond))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "MEMBER")
	for _, o := range Outcomes {
		fmt.Fprintf(t, "\t%s", o)
	}
	fmt.Fprintln(t, "\tlongest without an answer")
	for _, m := range slices.Sorted(maps.Keys(r.Requests)) {
		fmt.Fprint(t, m)
		for _, o := range Outcomes {
			fmt.Fprintf(t, "\t%d", r.Requests[m][o])
		}
		fmt.Fprintf(t, "\t%v\n", r.Gaps[m].Round(time.Millisecond))
	}
	_ = t.Flush() // to w, whose errors show elsewhere
	for _, a := range r.Absent {
		fmt.Fprintf(w, "not here: %s\n", a)
	}
	if !r.Failed() {
		fmt.Fprintf(w, "seed %d: every promise held\n", r.Seed)
		return
	}
	const most = 10
	for n, v := range r.Violations {
		if n == most {
			fmt.Fprintf(w, "and %d more\n", len(r.Violations)-most)
			break
		}
		fmt.Fprintf(w, "\nBROKEN: %s\n", v)
		if v.Evidence != "" && n < 3 {
			fmt.Fprintln(w, v.Evidence)
		}
	}
	r.printTrace(w)
}

func (r Report) printTrace(w io.Writer) {
	if len(r.Trace) == 0 {
		fmt.Fprintf(w, "\nseed %d; no replay has broken the rule again\n", r.Seed)
		return
	}
	fmt.Fprintf(w, "\nseed %d; the shortest trace seen to break it again, for --replay:\n", r.Seed)
	text, err := json.Marshal(r.Trace)
	if err != nil {
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintf(w, "%s\n", text)
	for _, s := range r.Trace {
		fmt.Fprintf(w, "  %s\n", s)
	}
}
