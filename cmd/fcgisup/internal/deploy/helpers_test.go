package deploy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func service(app string, n int) string { return fmt.Sprintf("%s-fastcgi@%d.service", app, n) }

func socket(app string, n int) string { return fmt.Sprintf("%s-fastcgi@%d.socket", app, n) }

// applyConfig is the configuration of the app "web" with so many instances; more are further keys of it.
func applyConfig(instances int, more ...string) string {
	keys := append([]string{
		"command: [/opt/apps/web.pl]", "user: www-data", "group: www-data", "listen: /run/web%i.sock",
		"health: {path: /, interval: 500ms}", "limits: {stop_timeout: 10s}", fmt.Sprintf("instances: %d", instances),
	}, more...)
	return "apps:\n  web:\n    " + strings.Join(keys, "\n    ") + "\n"
}

// needFiles skips the test when one of the files is missing, and fails it in CI.
func needFiles(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("%s is missing: run testdata/install-deps", file)
		}
		t.Skipf("%s is missing: run testdata/install-deps", file)
	}
}

// within waits until check has no complaint.
func within(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %v", limit, err)
		}
	}
}

// tree is every file below a directory.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
