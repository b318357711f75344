package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/stats"
)

// commands is the second part of table 8: fcgisup's own commands on many instances.
type commands struct {
	Sizes  []int         `yaml:"sizes"`
	Rounds int           `yaml:"rounds"`
	Limit  time.Duration `yaml:"limit"` // of each command
}

// asked is a command of the table. Some need the instances to be supervised.
type asked struct {
	name  string
	argv  func(about subject) []string
	needs bool
}

// subject is what the commands are asked about: paths.
type subject struct{ dir, config, control, binary string }

var commandsAsked = []asked{
	{"gen", func(s subject) []string { return []string{"gen", "--config", s.config, "--binary", s.binary} }, false},
	{"apply --dry-run", func(s subject) []string {
		return []string{"apply", "--dry-run", "--config", s.config, "--binary", s.binary}
	}, false},
	{"status", func(s subject) []string { return []string{"status", "--config", s.config, "--control", s.control} }, true},
	// Without the control socket it would wake them.
	{"check", func(s subject) []string { return []string{"check", "--config", s.config, "--control", s.control} }, true},
}

func (m *commands) measure(ctx context.Context, b *bench, t *report.Table) error {
	for _, size := range m.Sizes {
		t.Columns = append(t.Columns, fmt.Sprintf("%d, ms", size))
	}
	plot := report.Plot{Name: "commands", Title: "fcgisup's commands on many instances", X: report.Axis{Label: "instances", Log: true}, Y: report.Axis{Label: "ms, whole process", Log: true}}
	rows := make([]report.Row, len(commandsAsked))
	lines := make([]report.Line, len(commandsAsked))
	for i, c := range commandsAsked {
		rows[i].Name, lines[i].Name, lines[i].Ours = c.name, c.name, true
	}
	var problem error
	for _, size := range m.Sizes {
		b.say("commands: %d instances", size)
		problem = m.size(ctx, b, size, func(i int, took []float64, err error) {
			cell := report.Sampled(took, "")
			if err != nil {
				cell = report.Because(firstLine(err))
			} else {
				lines[i].Points = append(lines[i].Points, [2]float64{float64(size), stats.Summarize(took).Median})
			}
			rows[i].Cells = append(rows[i].Cells, cell)
		})
		if problem != nil {
			break
		}
	}
	t.Rows, plot.Lines = rows, lines
	t.Plots = append(t.Plots, plot)
	return problem
}

// size asks all commands about a number of sleeping instances, which one supervisor holds.
func (m *commands) size(ctx context.Context, b *bench, size int, each func(i int, took []float64, err error)) error {
	dir, err := os.MkdirTemp(b.host.Dir, "many-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	me, err := user.Current()
	if err != nil {
		return err
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return err
	}
	program, err := b.program("C")
	if err != nil {
		return err
	}
	about := subject{dir, filepath.Join(dir, "fcgisup.yaml"), filepath.Join(dir, "control.sock"), b.host.Fcgisup}
	text := fmt.Sprintf("apps:\n  many:\n    command: %s\n    user: %s\n    group: %s\n    socket: {user: %[2]s, group: %[3]s}\n    instances: %d\n    listen: %s/%%i.sock\n", program.Command[0], me.Username, group.Name, size, dir)
	if err := os.WriteFile(about.config, []byte(text), 0o644); err != nil {
		return err
	}
	supervised := b.supervise(ctx, about.config, about.control)
	defer supervised.stop()
	for i, c := range commandsAsked {
		if c.needs && supervised.err != nil {
			each(i, nil, supervised.err)
			continue
		}
		took, err := m.command(ctx, about, c.argv(about))
		each(i, took, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// supervision is a fcgisup run, or why there is none.
type supervision struct {
	err  error
	stop func()
}

func (b *bench) supervise(ctx context.Context, config, control string) supervision {
	cmd := exec.Command(b.host.Fcgisup, "run", "--config", config, "--control", control)
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+filepath.Dir(control))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var words bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &words, time.Second
	if err := cmd.Start(); err != nil {
		return supervision{err, func() {}}
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		<-ended
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		select {
		case <-ended:
			return supervision{fmt.Errorf("fcgisup run has ended: %.300s", &words), stop}
		default:
		}
		if exists(control) {
			return supervision{nil, stop}
		}
	}
	return supervision{errors.New("fcgisup run was not ready in a minute"), stop}
}

// command runs it some times, and returns the milliseconds each took.
func (m *commands) command(ctx context.Context, about subject, argv []string) (took []float64, err error) {
	out, err := os.CreateTemp(about.dir, "out-")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	for range m.Rounds {
		if err := out.Truncate(0); err != nil {
			return nil, err
		}
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		once, err := m.once(ctx, about.binary, argv, out)
		if err != nil {
			return nil, err
		}
		took = append(took, milliseconds(once))
	}
	return took, nil
}

// once runs it with its standard output in a file.
func (m *commands) once(ctx context.Context, binary string, argv []string, out *os.File) (time.Duration, error) {
	limited, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	cmd := exec.CommandContext(limited, binary, argv...)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &words
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err == nil {
		return took, nil
	}
	if limited.Err() != nil {
		return 0, fmt.Errorf("%s was not done in %v", argv[0], m.Limit)
	}
	if info, gone := out.Stat(); gone == nil && hasFound(err, info.Size(), words.String()) {
		return took, nil
	}
	return 0, fmt.Errorf("%s: %w: %.300s", argv[0], err, strings.ReplaceAll(words.String(), "\n", " "))
}

// hasFound: check and --dry-run say with 1 that there is something to say, and say it on standard output. An error is 1
// as well, but says so, and nothing else.
func hasFound(err error, printed int64, words string) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 1 && printed > 0 && !strings.Contains("\n"+words, "\nfcgisup: cannot ")
}
