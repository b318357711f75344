package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

func (c *cli) topCommand() *cobra.Command {
	s := &statuser{cli: c, watch: true}
	var once bool
	cmd := &cobra.Command{
		Use:   "top [APP[@N]]",
		Short: "Show live what every worker does",
		Long: `top shows a line per worker: busy or idle and since when, requests seen (those
that come and go between two looks are not), memory. It is taken from the kernel;
the programs are not asked. A connection that nginx keeps alive looks busy.`,
		Example: "  fcgisup top\n  fcgisup top rt@3 --once\n  fcgisup top --once --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				var err error
				if s.which, err = control.ParseSelection(args[0]); err != nil {
					return term.Usage(err)
				}
			}
			s.show = workerTable
			if once {
				return s.once(cmd.Context())
			}
			return s.watching(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&s.control, "control", "", "`PATH` of one control socket")
	cmd.Flags().BoolVar(&s.json, "json", false, "JSON of the instances with their workers, as by status")
	cmd.Flags().BoolVar(&once, "once", false, "show it once")
	return cmd
}

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
