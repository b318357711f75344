package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// daemon is a process that stays, as a unit or as a child of ours.
type daemon struct {
	name    string
	argv    []string
	env     []string
	service []string // more directives of [Service]
	pidFile string   // the command leaves and what it has started is listed here: Type=forking
}

const unitDir = "/run/systemd/system/"

// launch starts a daemon that ends with the service.
func (s *Service) launch(ctx context.Context, d daemon) error {
	if s.host.Systemd {
		return s.launchUnit(ctx, d)
	}
	return s.launchProcess(d)
}

func (s *Service) launchUnit(ctx context.Context, d daemon) error {
	unit := d.name + ".service"
	kind := "Type=exec"
	if d.pidFile != "" {
		kind = "Type=forking\nPIDFile=" + d.pidFile
	}
	text := fmt.Sprintf("[Service]\nExecStart=%s\nLimitNOFILE=65536\nTasksMax=infinity\n", strings.Join(d.argv, " "))
	for _, env := range d.env {
		text += "Environment=" + env + "\n"
	}
	if !strings.Contains(strings.Join(d.service, "\n"), "Type=") {
		text += kind + "\n"
	}
	text += strings.Join(d.service, "\n") + "\n"
	if err := s.host.write(unitDir+unit, text); err != nil {
		return err
	}
	s.cgroups = append(s.cgroups, "system.slice/"+unit)
	s.atEnd(func(ctx context.Context) error { return endUnits(ctx, []string{unit}, unitDir+unit) })
	// No daemon-reload: the name is new, so systemd has not read the file before.
	return run(ctx, "systemctl", "start", unit)
}

// endUnits ends units at once and forgets their files. How a peer stops is not what is measured here, and some take
// their time: it is told to, so that nothing restarts it, and killed.
func endUnits(ctx context.Context, units []string, files ...string) error {
	systemctl := func(words ...string) error {
		return run(ctx, slices.Concat([]string{"systemctl"}, words, units)...)
	}
	_ = systemctl("stop", "--no-block")
	_ = systemctl("kill", "-s", "KILL") // of what has processes
	err := systemctl("stop")
	for try := 0; err != nil && try < 5; try++ { // with a thousand units systemd's bus has "no buffer space"; some were stopped
		time.Sleep(time.Second)
		err = systemctl("stop")
	}
	_ = systemctl("reset-failed") // most have not failed
	for _, file := range files {
		if gone := os.RemoveAll(file); gone != nil {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// said keeps what a daemon says, up to a limit.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *said) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text.Len() < 8<<10 {
		w.text.Write(p)
	}
	return len(p), nil
}

func (w *said) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (s *Service) launchProcess(d daemon) error {
	cmd := exec.Command(d.argv[0], d.argv[1:]...)
	cmd.Env = append(os.Environ(), d.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	words := &said{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = words, words, time.Second
	if d.pidFile != "" {
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w: %s", d.name, err, words)
		}
		s.roots = append(s.roots, numbers(d.pidFile)...)
		s.atEnd(func(context.Context) error { return s.endOrphans(d.pidFile) })
		return nil
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	s.roots = append(s.roots, cmd.Process.Pid)
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is its own affair: some are killed on purpose
		close(exited)
	}()
	s.atEnd(func(ctx context.Context) error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of the group
		<-exited
		return nil
	})
	return nil
}

// endOrphans ends what a command has left behind; as their reaper we wait for them.
func (s *Service) endOrphans(pidFile string) error {
	for _, pid := range numbers(pidFile) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
	return nil
}

// signal sends a signal to the main process.
func (s *Service) signal(sig syscall.Signal) error {
	supervisors := s.Processes().Supervisors
	if len(supervisors) == 0 {
		return errors.New("no process to send a signal to")
	}
	return syscall.Kill(supervisors[0], sig)
}

// unitRestart is `systemctl restart`, what a peer without a way of its own has.
func (s *Service) unitRestart() Action {
	unit := s.Spec.Name + ".service"
	if !s.host.Systemd {
		return Action{Reason: "needs systemd: run as root"}
	}
	return Action{How: "systemctl restart", Do: func(ctx context.Context) error { return run(ctx, "systemctl", "restart", unit) }}
}

func (s *Service) bySignal(how string, sig syscall.Signal) Action {
	return Action{How: how, Do: func(context.Context) error { return s.signal(sig) }}
}
