package control

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// What a worker does must not make its instance unreadable: every text of a Status
// has a bound, and with them an answer of the control socket. The readers' bounds
// are above.
const (
	// MaxFailureLines are kept of a worker's output, and of the evidence.
	MaxFailureLines = 64
	// MaxFailureLine bounds one of them, in bytes.
	MaxFailureLine = 1 << 10
	// MaxStatusText bounds every other text of a Status, in bytes.
	MaxStatusText = 1 << 10
	// MaxConfigError bounds why a configuration was refused, in bytes.
	MaxConfigError = 4 << 10

	// MaxStatusSize is more than the JSON of one instance takes, MaxAnswerSize more
	// than that of all instances of a supervisor, in bytes.
	MaxStatusSize = 1 << 20
	MaxAnswerSize = 64 << 20
	// MaxAnswerWorkers are those of one answer together.
	MaxAnswerWorkers = 100_000

	// allTexts bounds the texts of an answer about all instances together: what
	// does not fit is in the answer about one.
	allTexts = 4 << 20
	// leastTexts is what an instance has of them, however many there are.
	leastTexts = 512
)

// Shown is a text of a Status.
func Shown(s string) string { return fcgisup.PrintableAtMost(s, MaxStatusText) }

// ShownLines are lines of a failure, as many and as long as may be.
func ShownLines(lines []string) []string {
	var all []string
	for n, line := range lines {
		if n == MaxFailureLines-1 && len(lines) > MaxFailureLines {
			return append(all, fmt.Sprintf("… %d more lines", len(lines)-n))
		}
		all = append(all, fcgisup.PrintableAtMost(line, MaxFailureLine))
	}
	return all
}

// ShownError is an error of several lines, one per mistake.
func ShownError(s string) string {
	var all []string
	size := 0
	for line := range strings.Lines(s) {
		line = Shown(strings.TrimSuffix(line, "\n"))
		if size += len(line) + 1; size > MaxConfigError-len("…") {
			return strings.Join(append(all, "…"), "\n")
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// Bound cuts what was gathered for an answer: reasons that repeat themselves for
// each worker are given once.
func (st *Status) Bound() {
	var missing []string
	seen := map[string]bool{}
	for _, why := range st.Missing {
		if !seen[why] {
			seen[why] = true
			missing = append(missing, why)
		}
	}
	st.Missing = ShownLines(missing)
}

// fit leaves as much of the texts as fits. The failure's last words go first: they
// are the most, and where there are many instances they are much the same.
func (st *Status) fit(most int) {
	cut := func(s string) string {
		s = fcgisup.PrintableAtMost(s, max(most, 0))
		most -= len(s)
		return s
	}
	if f := st.LastFailure; f != nil {
		less := *f
		less.Detail = cut(f.Detail)
		less.Output, less.Evidence = nil, nil
		st.LastFailure = &less
		defer func() {
			less.Output = lastThat(f.Output, &most)
			less.Evidence = firstThat(f.Evidence, &most)
		}()
	}
	if st.Probe != nil {
		less := *st.Probe
		less.Error = cut(less.Error)
		st.Probe = &less
	}
	if len(st.ConfigError) > most {
		st.ConfigError = cut(strings.ReplaceAll(st.ConfigError, "\n", "; "))
	} else {
		most -= len(st.ConfigError)
	}
	st.Missing = firstThat(st.Missing, &most)
}

func firstThat(lines []string, most *int) []string {
	for n, line := range lines {
		if *most -= len(line); *most < 0 {
			return lines[:n:n]
		}
	}
	return lines
}

func lastThat(lines []string, most *int) []string {
	for n := len(lines) - 1; n >= 0; n-- {
		if *most -= len(lines[n]); *most < 0 {
			return lines[n+1:]
		}
	}
	return lines
}

// fitAll makes the answer about all instances one that readers take.
func fitAll(all []Status) {
	if len(all) == 0 {
		return
	}
	share := max(allTexts/len(all), leastTexts)
	for n := range all {
		all[n].fit(share)
	}
}

// encoder is JSON without the escapes for HTML, which make six bytes of one.
func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}
