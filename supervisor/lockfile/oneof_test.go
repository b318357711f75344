package lockfile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOneOf: a directory of that name which is not the user's own alone is stepped aside of.
func TestOneOf(t *testing.T) {
	temporary, home := t.TempDir(), t.TempDir()
	if got, err := oneOf(temporary, home, "7"); err != nil || got != filepath.Join(temporary, "fcgisup-7") {
		t.Errorf("%s, %v", got, err)
	}
	for name, plant := range map[string]func(path string) error{
		"open to others": func(path string) error {
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
			return os.Chmod(path, 0o777)
		},
		"a link": func(path string) error { return os.Symlink(home, path) },
		"a file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			temporary := t.TempDir()
			if err := plant(filepath.Join(temporary, "fcgisup-7")); err != nil {
				t.Fatal(err)
			}
			if got, err := oneOf(temporary, home, "7"); err != nil || got != filepath.Join(home, ".fcgisup") {
				t.Errorf("%s, %v", got, err)
			}
			if _, err := oneOf(temporary, "", "7"); err == nil {
				t.Error("no error without a home")
			}
		})
	}
}
