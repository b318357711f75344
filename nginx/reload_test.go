package nginx

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// script is a nginx that does what the shell says.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nginx")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTestSaysWhy(t *testing.T) {
	tests := []struct{ body, want string }{
		{"exit 0", ""},
		{"echo 'nginx: [warn] odd' >&2; exit 0", ""},
		{
			`echo 'nginx: [warn] conflicting server name "x"' >&2
echo 'nginx: [emerg] host not found in upstream "a" in /etc/nginx/conf.d/a.conf:1' >&2
echo 'nginx: configuration file /etc/nginx/nginx.conf test failed' >&2; exit 1`,
			`nginx refuses the configuration: [emerg] host not found in upstream "a" in /etc/nginx/conf.d/a.conf:1`,
		},
		{
			`echo '2026/11/23 00:07:00 [warn] 12#12: odd' >&2
echo '2026/11/23 00:07:00 [emerg] 12#12: open() "/x" failed (2: No such file or directory)' >&2
echo 'nginx: configuration file /etc/nginx/nginx.conf test failed' >&2; exit 1`,
			`nginx refuses the configuration: [emerg] open() "/x" failed (2: No such file or directory)`,
		},
		{"echo 'nginx: invalid option' >&2; exit 1", "nginx refuses the configuration: invalid option"},
		{"exit 3", "nginx refuses the configuration: exit status 3"},
	}
	for _, test := range tests {
		got := ""
		if err := Test(t.Context(), script(t, test.body)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	if err := Signal(t.Context(), script(t, `test "$*" = "-s reload"`)); err != nil {
		t.Error(err)
	}
	if err := Signal(t.Context(), "/nonexistent/nginx"); err == nil || !strings.HasPrefix(err.Error(), "cannot reload nginx: ") {
		t.Errorf("got %v", err)
	}
}

// TestProcesses: a title alone does not make a worker of this nginx.
func TestProcesses(t *testing.T) {
	proc := t.TempDir()
	for pid, files := range map[string][2]string{
		"10": {"nginx: master process /usr/sbin/nginx\x00", "10 (nginx) S 1" + strings.Repeat(" 0", 17) + " 500 0"},
		"11": {"nginx: worker process", "11 (nginx) S 10" + strings.Repeat(" 0", 17) + " 501 0"},
		"12": {"nginx: worker process is shutting down", "12 (a ) (b) S 10" + strings.Repeat(" 0", 17) + " 502 0"},
		"13": {"nginx: worker process", "13 (nginx) S 99" + strings.Repeat(" 0", 17) + " 503 0"},
		"14": {"nginx: cache manager process", "14 (nginx) S 10" + strings.Repeat(" 0", 17) + " 504 0"},
	} {
		if err := os.Mkdir(filepath.Join(proc, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"cmdline": files[0], "stat": files[1]} {
			if err := os.WriteFile(filepath.Join(proc, pid, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	// One that ends while it is looked at, and what is not a process.
	for _, name := range []string{"15", "self"} {
		if err := os.Mkdir(filepath.Join(proc, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(proc, "15", "cmdline"), []byte(workerTitle), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := processes(proc, workerTitle, []int{10})
	if want := []Process{{11, 501}, {12, 502}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("workers %v, %v; want %v", got, err, want)
	}
	got, err = processes(proc, leavingTitle, []int{10})
	if want := []Process{{12, 502}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("leaving %v, %v; want %v", got, err, want)
	}
	if got, err := processes(proc, workerTitle, []int{}); err != nil || got != nil {
		t.Errorf("without a master there are workers %v, %v", got, err)
	}
	got, err = processes(proc, masterTitle, nil)
	if want := []Process{{10, 500}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("masters %v, %v; want %v", got, err, want)
	}
}
