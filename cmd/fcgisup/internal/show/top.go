package show

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// workerTable prints a line per worker slot.
func workerTable(w io.Writer, all []control.Status, now time.Time, screen term.Screen) error {
	t := term.Table{
		Header:   []string{"INSTANCE", "PID", "STATE", "BUSY", "SINCE", "REQUESTS SEEN", "MEMORY", "GENERATION"},
		Optional: []string{"SINCE", "STATE"},
	}
	for _, st := range all {
		in := fmt.Sprintf("%s@%d", st.App, st.Instance)
		for _, p := range st.Workers {
			t.Rows = append(t.Rows, []string{in, pidText(p.PID), string(p.State), busyText(p), age(now, p.Since), countText(p.RequestsSeen), memoryText(p), strconv.Itoa(p.Generation)})
		}
		if len(st.Workers) == 0 {
			t.Rows = append(t.Rows, []string{in, "-", string(st.State), "-", age(now, st.Since), "-", "-", "-"})
		}
	}
	_, err := io.WriteString(w, strings.Join(t.Lines(screen.Width), "\n")+"\n")
	return err
}

func pidText(pid int) string {
	if pid == 0 {
		return "-"
	}
	return strconv.Itoa(pid)
}

func busyText(p control.WorkerStatus) string {
	switch {
	case p.Busy == nil:
		return "?"
	case p.Kept:
		return "kept"
	case *p.Busy:
		return "busy"
	}
	return "idle"
}

func countText(n *uint64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatUint(*n, 10)
}

func memoryText(p control.WorkerStatus) string {
	if p.MemoryBytes == nil {
		return "?"
	}
	return fmt.Sprintf("%.1f MiB %s", float64(*p.MemoryBytes)/(1<<20), p.MemoryKind)
}
