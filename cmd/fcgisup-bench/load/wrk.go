package load

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

var (
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkErrors = regexp.MustCompile(`(?m)^\s*(Non-2xx.*|Socket errors.*)$`)
)

// Wrk is a run of wrk(1): as many requests as a number of connections can.
type Wrk struct {
	Connections int
	Duration    time.Duration // whole seconds
}

// Run returns requests per second. Anything but 2xx is an error: a refusal is fast, and no throughput.
func (w Wrk) Run(ctx context.Context, url string) (float64, error) {
	out, err := exec.CommandContext(ctx, "wrk", "-t1", fmt.Sprintf("-c%d", w.Connections), fmt.Sprintf("-d%ds", max(1, int(w.Duration.Seconds()))), url).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("cannot run wrk: %w: %s", err, bytes.TrimSpace(out))
	}
	return parseWrk(out)
}

func parseWrk(out []byte) (float64, error) {
	if complaint := wrkErrors.FindSubmatch(out); complaint != nil {
		return 0, fmt.Errorf("wrk: %s", bytes.TrimSpace(complaint[1]))
	}
	m := wrkRate.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("wrk said no rate: %.200s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}
