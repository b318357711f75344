package chaos

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// stalledShare of a time in which every process that had work waited for memory
	// is not a fault of ours, and none of fcgisup's: nothing can tell dead from waiting.
	stalledShare = 0.2
	stalledEvery = 500 * time.Millisecond
)

// watchMachine opens a window for all whenever the machine itself is out of memory, proc_pressure(5).
func (f *fleet) watchMachine(ctx context.Context) {
	before, known := stalled()
	for ctx.Err() == nil && known {
		sleep(ctx, stalledEvery)
		now, _ := stalled()
		if float64(now-before) > stalledShare*float64(stalledEvery) {
			f.rec.stalled(stalledEvery)
		}
		before = now
	}
}

// stalled is for how long, ever, all that had work waited for memory; false where the kernel does not say.
func stalled() (time.Duration, bool) {
	text, err := os.ReadFile("/proc/pressure/memory")
	if err != nil {
		return 0, false
	}
	return parseStalled(string(text))
}

// parseStalled reads "full avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS".
func parseStalled(text string) (time.Duration, bool) {
	for line := range strings.Lines(text) {
		if _, total, ok := strings.Cut(line, "total="); ok && strings.HasPrefix(line, "full ") {
			n, err := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
			return time.Duration(n) * time.Microsecond, err == nil
		}
	}
	return 0, false
}
