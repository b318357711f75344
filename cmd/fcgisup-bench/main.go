package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run exits 0 when all was measured, 1 when something failed or was interrupted, 2 for a wrong command line.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand(stdout)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	usage := true
	root.PersistentPreRun = func(*cobra.Command, []string) { usage = false }
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "fcgisup-bench: %v\n", err)
		if usage {
			return 2
		}
		return 1
	}
	return 0
}

// options are the flags.
type options struct {
	tables, profile, out, scenarios, apps, fcgisup, insert string
	seed                                                   uint64
	noBox                                                  bool
}

func rootCommand(stdout io.Writer) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "fcgisup-bench",
		Short: "Run fcgisup and its peers on the same work, and write tables and plots",
		Long: `fcgisup-bench runs fcgisup and its peers on the same work, in one run, paired and
interleaved, and writes benchmarks.md, benchmarks.json and SVG plots to a directory.
Tables that the directory has from an earlier run stay, unless they are measured again.

As root it works in a box of namespaces with a systemd of its own; else, or with
--no-box, only peers that need no systemd take part.`,
		Example: `  fcgisup-bench --out dist/bench
  fcgisup-bench --tables steady,3 --time full --out dist/bench
  fcgisup-bench render dist/bench/benchmarks.json --insert docs/benchmarks.md`,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return measureAll(cmd.Context(), o, cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.tables, "tables", "", "only these `TABLES`: names or numbers, with commas between (default all)")
	flags.StringVar(&o.profile, "time", "short", "`PROFILE` of the scenarios: short (10 minutes in all) or full")
	flags.StringVar(&o.out, "out", "dist/bench", "`DIRECTORY` for what was measured")
	flags.Uint64Var(&o.seed, "seed", 1, "`NUMBER` that all that is random comes from")
	flags.StringVar(&o.fcgisup, "fcgisup", "bin/fcgisup", "`PATH` of fcgisup")
	flags.StringVar(&o.scenarios, "scenarios", "testdata/bench", "`DIRECTORY` of the scenarios")
	flags.StringVar(&o.apps, "apps", "testdata/apps", "`DIRECTORY` of the programs")
	flags.BoolVar(&o.noBox, "no-box", false, "no namespaces, and so no systemd")
	flags.StringVar(&o.insert, "insert", "", "also put it into this `PAGE`, between its marks, with plots beside it")
	cmd.AddCommand(insideCommand(), renderCommand(), chaosCommand(stdout))
	return cmd
}

func renderCommand() *cobra.Command {
	var out, insert string
	cmd := &cobra.Command{
		Use: "render FILE...", Short: "Write Markdown and plots again from benchmarks.json; of a table in several the last wins",
		Args: cobra.MinimumNArgs(1), SilenceUsage: true, SilenceErrors: true,
		Example: "  fcgisup-bench render dist/bench/benchmarks.json --insert docs/benchmarks.md",
		RunE: func(_ *cobra.Command, files []string) error {
			var all []report.Report
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				r, err := report.Parse(data)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				all = append(all, r)
			}
			return deliver(report.Merge(all...), out, insert)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`DIRECTORY` to write to")
	cmd.Flags().StringVar(&insert, "insert", "", "`PAGE` to put it into, between its marks")
	return cmd
}

// plotPrefix is before the names of plots beside a page that people wrote.
const plotPrefix = "bench-"

func deliver(r report.Report, out, insert string) error {
	if out != "" {
		if err := r.Write(out); err != nil {
			return err
		}
	}
	if insert == "" {
		return nil
	}
	return r.InsertInto(insert, plotPrefix)
}

func (o options) list() []string {
	return strings.FieldsFunc(o.tables, func(r rune) bool { return r == ',' || r == ' ' })
}
