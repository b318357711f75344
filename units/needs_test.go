package units

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNeedsOf: what a start cannot do without is listed, what it makes or may miss is not.
func TestNeedsOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unit, more := filepath.Join(dir, "a.service"), filepath.Join(dir, "more.conf")
	for file, text := range map[string]string{
		unit: "[Service]\nStandardOutput=file:/none/out\nStandardError=append:/none/%i\n[Unit]\nStandardError=file:/none/x\n", more: "[Service]\nStandardInput=file:/none/in\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		p     properties
		files []string
		want  []Need
	}{
		"nothing":                    {},
		"streams":                    {files: []string{unit, more}, want: []Need{{"StandardInput", "/none/in", false}, {"StandardOutput", "/none/out", true}}},
		"a root":                     {p: properties{"RootDirectory": "/none/root", "ReadWritePaths": []string{"/none/x"}}, want: []Need{{"RootDirectory", "/none/root", false}}},
		"mounts":                     {p: properties{"ReadWritePaths": []string{"/none/x", "-/none/y", dir}}, want: []Need{{"ReadWritePaths", "/none/x", false}}},
		"a mount that a start makes": {p: properties{"ReadWritePaths": []string{"/run/nosuch/a"}, "RuntimeDirectory": []string{"nosuch/a"}}},
		"a mount that a helper may make": {p: properties{
			"ReadWritePaths": []string{"/none/x"}, "ExecStartPreEx": [][]any{{"/bin/mkdir", []string{"mkdir", "/none/x"}, []string{"privileged"}}},
		}},
		"credentials": {p: properties{
			"LoadCredential": [][]any{{"a", "/none/a"}, {"b", "b"}, {"c", "/none/c"}}, "SetCredential": [][]any{{"c", []byte("x")}},
		}, want: []Need{{"LoadCredential", "/none/a", false}}},
	} {
		if diff := cmp.Diff(test.want, needsOf(test.p, test.files)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	got := helpersOf(properties{
		"ExecStartPreEx":  [][]any{{"/none/a", []string{"a", "b"}, []string{}}, {"/none/c", []string{"c"}, []string{"ignore-failure"}}, {"d", []string{"d"}, []string{}}},
		"ExecStartPostEx": [][]any{{"/none/e", []string{"e"}, []string{"privileged"}}},
	})
	if diff := cmp.Diff([]Helper{{"ExecStartPre", []string{"/none/a", "b"}, false}, {"ExecStartPost", []string{"/none/e"}, true}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
