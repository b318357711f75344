package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/chaos"
	"github.com/fcgisup/fcgisup/cmd/internal/box"
)

// chaosFlags are those of the command line, which a box gets as they are.
type chaosFlags struct {
	opt    chaos.Options
	replay string
	apps   string
	report string
	noBox  bool
	// inside tells that this is the program that was started in the box, private
	// that its mounts are its own.
	inside, private bool
}

func chaosCommand(out io.Writer) *cobra.Command {
	f := &chaosFlags{}
	cmd := &cobra.Command{
		Use:   "chaos [--seed N] [--time D]",
		Short: "Break things at random around a fleet under load, and check what fcgisup promises",
		Long: `chaos runs a fleet of FastCGI programs under fcgisup, asks them all the time for
answers that it knows, and meanwhile kills, stops, starves, fills disks, edits,
restarts, upgrades. Every request is judged: what may be lost is what a killed
process held, no more.

A seed names a schedule. As root all of it happens in a box: a machine of its own
with real systemd, of which nothing is left. The exit code is 1 if a promise did
not hold; then the schedule is replayed in parts, to find the shortest trace.`,
		Example: `  fcgisup-bench chaos --fcgisup bin/fcgisup --seed 7 --time 2m
  fcgisup-bench chaos --fcgisup bin/fcgisup --replay trace.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.opt.Seed = uint64(time.Now().Unix())
			}
			f.opt.Log = out
			return f.run(cmd.Context(), out)
		},
	}
	cmd.Flags().Uint64Var(&f.opt.Seed, "seed", 0, "`NUMBER` of the schedule (default random)")
	cmd.Flags().DurationVar(&f.opt.Time, "time", 2*time.Minute, "how long faults are begun")
	cmd.Flags().StringVar(&f.opt.Fcgisup, "fcgisup", "bin/fcgisup", "`PATH` of the program under test")
	cmd.Flags().StringVar(&f.apps, "apps", "testdata/apps", "`DIRECTORY` with the FastCGI programs' sources")
	cmd.Flags().StringSliceVar(&f.opt.Members, "members", nil, "`APPS` of the fleet to run (default all)")
	cmd.Flags().IntVar(&f.opt.Replays, "replays", 8, "at most so many replays of a schedule that failed")
	cmd.Flags().StringVar(&f.replay, "replay", "", "`FILE` with the steps to perform instead, as a report has them")
	cmd.Flags().StringVar(&f.report, "report", "", "write the report, JSON, to `FILE`")
	cmd.Flags().BoolVar(&f.noBox, "no-box", false, "run on this machine itself, without systemd")
	cmd.Flags().BoolVar(&f.inside, "inside", false, "")
	cmd.Flags().BoolVar(&f.private, "private", false, "")
	_ = cmd.Flags().MarkHidden("inside") // both exist
	_ = cmd.Flags().MarkHidden("private")
	return cmd
}

// boxTime bounds the boot of the box.
const boxTime = 2 * time.Minute

func (f *chaosFlags) run(ctx context.Context, out io.Writer) error {
	if f.inside {
		f.opt.Programs, f.opt.Systemd = f.apps, true
		return f.here(ctx, out)
	}
	if f.noBox && os.Geteuid() == 0 && !f.private {
		return private()
	}
	var err error
	if f.opt.Fcgisup, err = filepath.Abs(f.opt.Fcgisup); err != nil {
		return fmt.Errorf("cannot find fcgisup: %w", err)
	}
	dir, err := os.MkdirTemp("", "chaos-programs-")
	if err != nil {
		return fmt.Errorf("cannot make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := chaos.Build(ctx, f.apps, dir); err != nil {
		return err
	}
	f.opt.Programs = dir
	if os.Geteuid() != 0 || f.noBox {
		return f.here(ctx, out)
	}
	return f.boxed(ctx, out)
}

// private is this program again, in a mount namespace that ends with it: no mount
// of ours stays when it is killed.
func private() error {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return fmt.Errorf("cannot have mounts of our own: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	argv := append([]string{unshare, "--mount", "--", self}, os.Args[1:]...)
	return fmt.Errorf("cannot execute %s: %w", unshare, syscall.Exec(unshare, append(argv, "--private"), os.Environ()))
}

// here runs it, and prints what came of it.
func (f *chaosFlags) here(ctx context.Context, out io.Writer) error {
	if f.replay != "" {
		text, err := os.ReadFile(f.replay)
		if err == nil {
			err = json.Unmarshal(text, &f.opt.Replay)
		}
		if err != nil {
			return fmt.Errorf("cannot read the steps: %w", err)
		}
	}
	fmt.Fprintf(out, "seed %d\n", f.opt.Seed)
	report, err := chaos.Run(ctx, f.opt)
	if err != nil {
		return err
	}
	report.Print(out)
	if f.report != "" {
		text, err := json.MarshalIndent(report, "", "  ")
		if err == nil {
			err = os.WriteFile(f.report, append(text, '\n'), 0o644)
		}
		if err != nil {
			return fmt.Errorf("cannot write the report: %w", err)
		}
	}
	if report.Failed() {
		return fmt.Errorf("seed %d: %d times a promise did not hold", f.opt.Seed, len(report.Violations))
	}
	return nil
}

// installed is where generated units expect fcgisup.
const installed = "/usr/bin/fcgisup"

// boxed runs it in a machine of its own.
func (f *chaosFlags) boxed(ctx context.Context, out io.Writer) (err error) {
	booting, cancel := context.WithTimeout(ctx, boxTime)
	defer cancel()
	b, err := box.Boot(booting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	const inside = "/opt/chaos"
	files := map[string]string{self: inside + "/fcgisup-bench", f.opt.Fcgisup: installed}
	programs, err := os.ReadDir(f.opt.Programs)
	if err != nil {
		return fmt.Errorf("cannot list the programs: %w", err)
	}
	for _, p := range programs {
		files[filepath.Join(f.opt.Programs, p.Name())] = inside + "/apps/" + p.Name()
	}
	if f.replay != "" {
		files[f.replay] = inside + "/replay.json"
	}
	for from, to := range files {
		text, err := os.ReadFile(from)
		if err == nil {
			err = b.Write(to, text, 0o755)
		}
		if err != nil {
			return fmt.Errorf("cannot fill the box: %w", err)
		}
	}
	return f.enter(ctx, b, inside, out)
}

func (f *chaosFlags) enter(ctx context.Context, b *box.Box, inside string, out io.Writer) error {
	argv := []string{
		inside + "/fcgisup-bench", "chaos", "--inside", "--fcgisup", installed, "--apps", inside + "/apps",
		"--seed", strconv.FormatUint(f.opt.Seed, 10), "--time", f.opt.Time.String(), "--replays", strconv.Itoa(f.opt.Replays),
		"--members", strings.Join(f.opt.Members, ","), "--report", inside + "/report.json",
	}
	if f.replay != "" {
		argv = append(argv, "--replay", inside+"/replay.json")
	}
	cmd := b.Command(ctx, argv...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	err := cmd.Run()
	if f.report != "" {
		text, errRead := os.ReadFile(b.Path(inside + "/report.json"))
		if errRead == nil {
			errRead = os.WriteFile(f.report, text, 0o644)
		}
		if errRead != nil {
			err = errors.Join(err, fmt.Errorf("cannot fetch the report: %w", errRead))
		}
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return errors.New("a promise did not hold, or the run was none: see above")
	}
	return err
}
