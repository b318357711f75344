package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
	"github.com/fcgisup/fcgisup/cmd/internal/box"
)

// Where things are in the box.
const (
	kitDir    = "/opt/bench"
	boxRunDir = "/run/bench"
)

// measureAll measures in a box if it can, and delivers what there is, also after an interrupt.
func measureAll(ctx context.Context, o options, progress io.Writer) error {
	if o.profile != "short" && o.profile != "full" {
		return fmt.Errorf("cannot use the profile %q: it is short or full", o.profile)
	}
	files, err := scenarioFiles(o.scenarios)
	if err != nil {
		return err
	}
	binary, err := filepath.Abs(o.fcgisup)
	if err != nil {
		return err
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("cannot find fcgisup: %w (make build makes it)", err)
	}
	apps, err := filepath.Abs(o.apps)
	if err != nil {
		return err
	}
	task := order{Scenarios: files, Tables: o.list(), Profile: o.profile, Seed: o.seed, Apps: apps, Fcgisup: binary}
	var found report.Report
	if os.Getuid() == 0 && !o.noBox {
		found, err = inBox(ctx, task, progress)
	} else {
		found, err = onHost(ctx, task, progress)
	}
	if len(found.Tables) > 0 {
		err = errors.Join(err, deliver(found, o.out, o.insert))
	}
	if ctx.Err() != nil {
		err = errors.Join(errors.New("interrupted"), err)
	}
	return err
}

// onHost measures in this process.
func onHost(ctx context.Context, task order, progress io.Writer) (report.Report, error) {
	dir, err := os.MkdirTemp("", "fcgisup-bench-")
	if err != nil {
		return report.Report{}, err
	}
	defer os.RemoveAll(dir)
	task.Dir = dir
	var tables bytes.Buffer
	err = task.fulfil(ctx, &tables, progress)
	found, unread := readTables(&tables)
	return found, errors.Join(err, unread)
}

// inBox boots a box, and has this program measure in it. All of it ends with the box.
func inBox(ctx context.Context, task order, progress io.Writer) (found report.Report, err error) {
	boot, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	b, err := box.Boot(boot)
	if err != nil {
		return found, fmt.Errorf("%w (--no-box does without)", err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if task, err = furnish(b, task); err != nil {
		return found, err
	}
	text, err := json.Marshal(task)
	if err != nil {
		return found, err
	}
	// Not killed with ctx: it is told, and reports what it has.
	cmd := b.Command(context.WithoutCancel(ctx), filepath.Join(kitDir, "fcgisup-bench"), "inside")
	var tables bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &tables, progress
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return found, err
	}
	ended := make(chan struct{})
	defer context.AfterFunc(ctx, func() { interrupt(cmd.Process.Pid, ended) })()
	err = cmd.Wait()
	close(ended)
	if err != nil {
		err = fmt.Errorf("cannot measure in the box: %w", err)
	}
	found, unread := readTables(&tables)
	return found, errors.Join(err, unread)
}

// stopTimeout is how long an interrupted measurement may take to stop what it has started, before the box is ended under it.
const stopTimeout = 30 * time.Second

// interrupt tells nsenter's child: nsenter itself would leave it behind.
func interrupt(nsenter int, ended <-chan struct{}) {
	signal := func(sig syscall.Signal) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", nsenter)) // gone
		for child := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(child); err == nil {
				_ = syscall.Kill(pid, sig)
			}
		}
	}
	signal(syscall.SIGINT)
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		signal(syscall.SIGKILL)
	}
}

// furnish puts the programs into the box, for its users to run.
func furnish(b *box.Box, task order) (order, error) {
	self, err := os.Executable()
	if err != nil {
		return task, err
	}
	files := map[string]string{"fcgisup-bench": self, "fcgisup": task.Fcgisup}
	for _, app := range []string{"hello.c", "hello.pl", "hello.php"} {
		files["apps/"+app] = filepath.Join(task.Apps, app)
	}
	for name, source := range files {
		data, err := os.ReadFile(source)
		if err != nil {
			return task, fmt.Errorf("cannot furnish the box: %w", err)
		}
		if err := b.Write(filepath.Join(kitDir, name), data, 0o755); err != nil {
			return task, fmt.Errorf("cannot furnish the box: %w", err)
		}
	}
	task.Apps, task.Fcgisup, task.Dir, task.Systemd = kitDir+"/apps", kitDir+"/fcgisup", boxRunDir, true
	return task, nil
}
