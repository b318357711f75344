package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

var (
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkCount  = regexp.MustCompile(`(?m)^\s*([0-9]+) requests in ([0-9.]+(?:us|ms|s|m|h)),`)
	wrkErrors = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

// Wrk is a run of wrk(1): as many requests as a number of connections can.
type Wrk struct {
	Connections int
	Duration    time.Duration // whole seconds; wrk takes somewhat longer
}

// Throughput is what wrk counted.
type Throughput struct {
	Rate     float64 // requests per second
	Requests int
	Elapsed  time.Duration // in which they were answered, to wrk's three digits
}

// Run runs wrk. Anything but 2xx is an error: a refusal is fast, and no throughput.
func (w Wrk) Run(ctx context.Context, url string) (Throughput, error) {
	out, err := exec.CommandContext(ctx, "wrk", "-t1", fmt.Sprintf("-c%d", w.Connections), fmt.Sprintf("-d%ds", max(1, int(w.Duration.Seconds()))), url).CombinedOutput()
	if err != nil {
		return Throughput{}, fmt.Errorf("cannot run wrk: %w: %s", err, bytes.TrimSpace(out))
	}
	return parseWrk(out)
}

// parseWrk refuses a run without an answer: no cost per request follows from it.
func parseWrk(out []byte) (t Throughput, err error) {
	if complaint := wrkErrors.FindSubmatch(out); complaint != nil {
		return t, fmt.Errorf("wrk: %s", bytes.TrimSpace(complaint[1]))
	}
	rate, count := wrkRate.FindSubmatch(out), wrkCount.FindSubmatch(out)
	if rate == nil || count == nil {
		return t, fmt.Errorf("wrk said no rate: %.200s", out)
	}
	var errs [3]error
	t.Rate, errs[0] = strconv.ParseFloat(string(rate[1]), 64)
	t.Requests, errs[1] = strconv.Atoi(string(count[1]))
	t.Elapsed, errs[2] = time.ParseDuration(string(count[2])) // its units are Go's
	if err := errors.Join(errs[:]...); err != nil || t.Requests == 0 || t.Elapsed <= 0 {
		return Throughput{}, errors.Join(fmt.Errorf("wrk counted nothing: %.200s", out), err)
	}
	return t, nil
}
