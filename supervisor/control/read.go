package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/fcgisup/fcgisup"
)

// A control socket is its app's user's, who may answer anything. What is kept of
// an answer is bounded by the instances that it may speak of, not by its length.
const (
	longestStatus = MaxStatusSize
	mostWorkers   = MaxAnswerWorkers
	// mostValues are those of one instance: what takes two bytes in JSON can take
	// a hundred in memory. A worker has eleven.
	mostValues = 16 * fcgisup.MaxWorkers
	// mostLines bounds lists of texts.
	mostLines = MaxFailureLines
	// mostCounters are those of one family.
	mostCounters = 64
)

var errTooLong = fmt.Errorf("it has an instance of more than %d bytes", longestStatus)

// readStatus keeps what may returns true for. It refuses more than any supervisor
// has to say, while it reads.
func readStatus(answer io.Reader, may func(app string, number int) bool) ([]Status, error) {
	paced := &pacedReader{from: answer}
	paced.refill()
	list := json.NewDecoder(paced)
	if first, err := list.Token(); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil || first != json.Delim('[') {
		return nil, errors.New("it is not a list of instances")
	}
	var all []Status
	var raw json.RawMessage
	seen := map[subject]bool{}
	for count, workers := 1, 0; list.More(); count++ {
		if err := list.Decode(&raw); err != nil {
			return nil, err
		}
		paced.refill()
		if count > fcgisup.MaxInstances {
			return nil, fmt.Errorf("it has more than %d instances", fcgisup.MaxInstances)
		}
		st, err := readInstance(raw, may)
		if err != nil {
			return nil, err
		}
		if st == nil {
			continue
		}
		if workers += len(st.Workers); workers > mostWorkers {
			return nil, fmt.Errorf("it has more than %d workers", mostWorkers)
		}
		who := subject{st.App, st.Instance}
		if seen[who] {
			return nil, fmt.Errorf("it names %s@%d twice", fcgisup.Printable(st.App), st.Instance)
		}
		seen[who] = true
		all = append(all, *st)
	}
	if _, err := list.Token(); err != nil {
		return nil, fmt.Errorf("it does not end: %w", io.ErrUnexpectedEOF)
	}
	return all, nil
}

// readInstance returns nothing for one that the supervisor may not speak of.
func readInstance(raw []byte, may func(app string, number int) bool) (*Status, error) {
	if len(raw) > longestStatus {
		return nil, errTooLong
	}
	var head struct {
		App      string
		Instance int
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	if !may(head.App, head.Instance) {
		return nil, nil
	}
	if n := values(raw); n > mostValues {
		return nil, fmt.Errorf("it has an instance of more than %d values", mostValues)
	}
	st := &Status{}
	if err := json.Unmarshal(raw, st); err != nil {
		return nil, err
	}
	if len(st.Workers) > fcgisup.MaxWorkers {
		return nil, fmt.Errorf("it has an instance of more than %d workers", fcgisup.MaxWorkers)
	}
	if max(len(st.Restarts), len(st.ProbeFailures), len(st.Scaled)) > mostCounters {
		return nil, fmt.Errorf("it has more than %d counters of one kind", mostCounters)
	}
	shorten(st)
	st.Clean()
	return st, nil
}

// values counts the commas outside of strings: there is one value more at most
// for each list and object.
func values(raw []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// shorten leaves out lines that no supervisor sends.
func shorten(st *Status) {
	st.Missing = lastLines(st.Missing)
	if f := st.LastFailure; f != nil {
		f.Output, f.Evidence = lastLines(f.Output), lastLines(f.Evidence)
	}
}

// lastLines copies, so that what is left out is not kept.
func lastLines(lines []string) []string {
	if len(lines) > mostLines {
		lines = append([]string(nil), lines[len(lines)-mostLines:]...)
	}
	return lines
}

// pacedReader fails when one value is longer than it may be, before all of it is
// in memory.
type pacedReader struct {
	from io.Reader
	left int
}

// decoderAhead is how far the decoder may have read beyond a value.
const decoderAhead = longestStatus

func (r *pacedReader) refill() { r.left = longestStatus + decoderAhead }

func (r *pacedReader) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, errTooLong
	}
	n, err := r.from.Read(b[:min(len(b), r.left)])
	r.left -= n
	return n, err
}
