package worker

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

func TestExitString(t *testing.T) {
	for want, status := range map[string]syscall.WaitStatus{
		"exit status 0":               0,
		"exit status 3":               3 << 8,
		"signal killed":               syscall.WaitStatus(syscall.SIGKILL),
		"signal aborted, core dumped": syscall.WaitStatus(syscall.SIGABRT) | 0x80,
		"wait status 0x137f":          0x137f,
	} {
		e := Exit{status}
		if e.String() != want || e.Clean() != (status == 0) {
			t.Errorf("%#x is %q, clean %t; want %q", int(status), e, e.Clean(), want)
		}
	}
}

func TestSpawnerTellsEachEndOnce(t *testing.T) {
	s := NewSpawner()
	defer s.Close()
	attr := &syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true}}
	type end struct {
		e    Exit
		left bool
	}
	ends := make(chan end, 10)
	for n := range 5 {
		if _, err := s.start([]string{"/bin/sh", "-c", "exit 3"}, attr, func(e Exit, left bool) { ends <- end{e, left} }); err != nil {
			t.Fatal(n, err)
		}
	}
	for range 5 {
		select {
		case got := <-ends:
			if got.left || got.e.String() != "exit status 3" {
				t.Errorf("%s, left %t", got.e, got.left)
			}
		case <-time.After(waitLimit):
			t.Fatal("an end is not told")
		}
	}
	if len(ends) > 0 {
		t.Error("an end is told twice")
	}
}

func TestSpawnerSignalsOnlyWhatItStarted(t *testing.T) {
	s := NewSpawner()
	if err := s.signal(os.Getppid(), 0); err != nil {
		t.Error(err)
	}
	sleep := exec.Command("/bin/sleep", "60")
	sleep.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = sleep.Process.Kill(), sleep.Wait() }()
	stranger := sleep.Process.Pid
	if err := s.signal(stranger, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if st, err := scoreboard.ReadStat(stranger); err != nil || !st.Alive() {
		t.Error("a process of others was killed")
	}
	_, err := s.start([]string{"/nonexistent/program"}, &syscall.ProcAttr{}, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	s.Close()
	if _, err := s.start([]string{"/bin/true"}, &syscall.ProcAttr{}, nil); err == nil {
		t.Error("a closed spawner started something")
	}
}
