package box

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// Command is a command that will run in the box, in none of its services' cgroups.
func (b *Box) Command(ctx context.Context, argv ...string) *exec.Cmd {
	enter := []string{"nsenter", "-t", strconv.Itoa(b.init), "-m", "-p", "-C", "-u", "-i", "-n", "--"}
	return inside(ctx, append(enter, argv...))
}

func inside(ctx context.Context, argv []string) *exec.Cmd {
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Env = []string{"PATH=" + searchPath, "LANG=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}
	command.Env = append(command.Env, strings.Fields(tunables)...)
	command.Dir = "/"
	command.WaitDelay = 5 * time.Second
	return command
}

// Run runs a command in the box, as Command does, for two minutes at most and gives its output, both streams, and its exit
// code; -1 if it could not be run, 127 if there is no such program.
func (b *Box) Run(argv ...string) (string, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := inside(ctx, argv)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := b.door.start(b.init, command)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return err.Error(), 127
	}
	if err == nil {
		err = command.Wait()
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return out.String() + err.Error(), -1
	}
	return out.String(), command.ProcessState.ExitCode()
}

// Path is a file of the box seen from outside. Absolute symbolic links in it would lead outside.
func (b *Box) Path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", b.init), name)
}

// Write makes a file of the box, and its directories. Neither the umask nor the mode of an older file decides.
func (b *Box) Write(name string, content []byte, mode os.FileMode) error {
	return b.fill(name, bytes.NewReader(content), int64(len(content)), mode)
}

// Copy is Write of a file of this machine, whose content it does not hold in memory: pages that a process touches first are dear
// in a virtual machine, and a program has thousands.
func (b *Box) Copy(source, name string, mode os.FileMode) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return b.fill(name, file, info.Size(), mode)
}

func (b *Box) fill(name string, content io.Reader, size int64, mode os.FileMode) (err error) {
	path := b.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// The size first: tmpfs has huge pages within it only.
	if err := file.Truncate(size); err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	return file.Chmod(mode)
}

// Running lists the units of a pattern that are active or on their way.
func (b *Box) Running(pattern string) []string {
	out, _ := b.Run("systemctl", "list-units", "--state=active,activating,reloading,deactivating", "--plain", "--no-legend", pattern)
	var units []string
	for line := range strings.Lines(out) {
		units = append(units, strings.Fields(line)[0])
	}
	return units
}

// Failures tells what a broken box has to say.
func (b *Box) Failures() string {
	units, _ := b.Run("systemctl", "list-units", "--failed", "--plain", "--no-legend")
	log, _ := b.Run("journalctl", "--no-pager", "-q", "-b", "-n", "40")
	return "failed units:\n" + units + "\njournal:\n" + log
}
