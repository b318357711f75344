// Command fcgisup-bench puts fcgisup to the test beside real programs: what it costs, and what it survives. It is for
// those who work on fcgisup, and no part of what is installed.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program but for os.Exit: 0 done, 1 failed.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := &cobra.Command{
		Use:           "fcgisup-bench",
		Short:         "What fcgisup costs, and what it survives",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(chaosCommand(out))
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(errs, "fcgisup-bench: %v\n", err)
		return 1
	}
	return 0
}
