package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing/fstest"

	"github.com/spf13/cobra"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// order is what the process inside the box is told, as JSON on its standard input.
type order struct {
	Scenarios map[string][]byte
	Tables    []string
	Profile   string
	Seed      uint64
	Dir       string // for sockets and configurations
	Apps      string // directory with the programs of testdata/apps
	Fcgisup   string
	Systemd   bool
}

// insideCommand measures where it stands and writes each table, when it is done, as a line of JSON.
func insideCommand() *cobra.Command {
	return &cobra.Command{
		Use: "inside", Hidden: true, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var o order
			if err := json.NewDecoder(cmd.InOrStdin()).Decode(&o); err != nil {
				return fmt.Errorf("cannot read the order: %w", err)
			}
			return o.fulfil(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

func (o order) fulfil(ctx context.Context, tables, progress io.Writer) (err error) {
	files := fstest.MapFS{}
	for name, data := range o.Scenarios {
		files[name] = &fstest.MapFile{Data: data}
	}
	scenarios, err := loadScenarios(files, o.Tables)
	if err != nil {
		return err
	}
	host, err := peers.NewHost(o.Dir, o.Systemd, o.Fcgisup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	if err := compileC(ctx, o.Apps, host.Dir); err != nil {
		return err
	}
	b := &bench{host: host, programs: programsIn(o.Apps, host.Dir), seed: o.Seed, machine: describe(o.Fcgisup, o.Systemd), progress: progress}
	var failed error
	for _, s := range scenarios {
		b.say("table %d: %s", s.Number, s.Title)
		table, err := s.run(ctx, b, o.Profile)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.Table, err))
		}
		if err := json.NewEncoder(tables).Encode(table); err != nil {
			return fmt.Errorf("cannot report a table: %w", err)
		}
		if ctx.Err() != nil {
			return failed
		}
	}
	return failed
}

// compileC makes the C program where peers can run it.
func compileC(ctx context.Context, apps, dir string) error {
	out, err := exec.CommandContext(ctx, "cc", "-O2", "-o", filepath.Join(dir, "hello"), filepath.Join(apps, "hello.c"), "-lfcgi").CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot compile hello.c: %w: %s", err, out)
	}
	return nil
}

// readTables reads what fulfil has written, also the part before an end too soon.
func readTables(r io.Reader) (report.Report, error) {
	var all report.Report
	decoder := json.NewDecoder(bufio.NewReader(r))
	for {
		var t report.Table
		if err := decoder.Decode(&t); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, fmt.Errorf("cannot read a table: %w", err)
		}
		all.Tables = append(all.Tables, t)
	}
}
