package control

import (
	"errors"
	"testing"

	"github.com/fcgisup/fcgisup"
)

func TestJudgePing(t *testing.T) {
	failed := func(class fcgisup.ProbeClass) ProbeResult {
		return ProbeResult{Err: errors.New(string(class)), Class: class}
	}
	for name, c := range map[string]struct {
		result         ProbeResult
		served, queued int
		want           PingVerdict
	}{
		"answered":                      {ProbeResult{}, 0, 0, PingAnswers},
		"answered while others wait":    {ProbeResult{}, 1, 2, PingAnswers},
		"closed without an answer":      {ProbeResult{Unsupported: true}, 0, 0, PingNone},
		"no answer":                     {failed("timeout"), 0, 0, PingNone},
		"no answer behind a request":    {failed("timeout"), 1, 0, PingUntried},
		"no answer, never accepted":     {failed("timeout"), 0, 1, PingUntried},
		"reset, or another record":      {failed("protocol"), 0, 1, PingNone},
		"says that it is overloaded":    {failed("overloaded"), 0, 0, PingNone},
		"no process listens":            {failed("refused"), 0, 0, PingUntried},
		"no socket at health.address":   {failed("missing"), 0, 0, PingUntried},
		"the queue is full of requests": {failed("full"), 0, 0, PingUntried},
	} {
		if got := JudgePing(c.result, c.served, c.queued); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
