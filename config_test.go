package fcgisup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInvalid reads the table that testdata/invalid is: the comment lines at
// the top of each file are the exact errors, all of them, in order.
func TestInvalid(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(data)) {
				text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# ")
				if !ok {
					break
				}
				want = append(want, text)
			}
			_, err = Parse(filepath.Base(path), data)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := err.Error(); got != strings.Join(want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
}
