package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// TestUnreadable: what the user, the group and the service's further groups may read, directories included.
func TestUnreadable(t *testing.T) {
	if !term.IsRoot() {
		t.Skip("needs root, to become another user")
	}
	dir := t.TempDir()
	for _, open := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	parent := filepath.Join(dir, "etc")
	file := filepath.Join(parent, "fcgisup.yaml")
	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const dialout = 20 // in every Debian
	for _, test := range []struct {
		name         string
		parent, mode os.FileMode
		gid          int
		app          fcgisup.App
		service      string
		denied       string
	}{
		{"everybody's", 0o755, 0o644, 0, fcgisup.App{User: "nobody"}, "", ""},
		{"root's", 0o755, 0o600, 0, fcgisup.App{User: "nobody"}, "", file},
		{"root's for root", 0o755, 0o600, 0, fcgisup.App{User: "root"}, "", ""},
		{"root's for no user", 0o755, 0o600, 0, fcgisup.App{}, "", ""},
		{"a group's", 0o755, 0o640, dialout, fcgisup.App{User: "nobody"}, "", file},
		{"its group's", 0o755, 0o640, dialout, fcgisup.App{User: "nobody", Group: "dialout"}, "", ""},
		{"its numbered group's", 0o755, 0o640, dialout, fcgisup.App{User: "65534", Group: "20"}, "", ""},
		{"a further group's", 0o755, 0o640, dialout, fcgisup.App{User: "nobody"}, "[Service]\nSupplementaryGroups=dialout\n", ""},
		{"a closed directory", 0o700, 0o644, 0, fcgisup.App{User: "nobody"}, "", parent},
	} {
		for _, err := range []error{os.Chmod(parent, test.parent), os.Chown(file, 0, test.gid), os.Chmod(file, test.mode)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := unreadable(test.app, []byte(test.service), file)
		denied := ""
		if got != nil {
			denied = got.denied
		}
		if err != nil || denied != test.denied {
			t.Errorf("%s: %q refuses, %v; want %q", test.name, denied, err, test.denied)
		}
	}
	if got, err := unreadable(fcgisup.App{User: "nobody"}, nil, filepath.Join(dir, "gone")); got != nil || err != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
	if _, err := unreadable(fcgisup.App{User: "nosuch-user"}, nil, file); err == nil {
		t.Error("a user that does not exist can read it")
	}
}
