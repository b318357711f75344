package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// output is what a run of the program gave.
type output struct {
	out, err string
	code     int
}

// fcgisupRun runs the program to its end; -1 is the exit code of one that was killed.
func fcgisupRun(t *testing.T, args ...string) output {
	t.Helper()
	program := procPath(t, builtFcgisup) // which may take its time to be built
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs strings.Builder
	command := exec.CommandContext(ctx, program, args...)
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return output{out.String(), errs.String(), command.ProcessState.ExitCode()}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
