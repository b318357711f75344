package units

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	const text = `# a comment
[Unit]
Description = Request Tracker
; another
[Service]
ExecStart=/usr/bin/spawn-fcgi \
    -F ${workers} \
    # in between
    -- /usr/bin/x
Environment="A=b c" \
 D=e
Environment=
Restart=always
`
	want := []Directive{
		{"Unit", "Description", "Request Tracker", 3},
		{"Service", "ExecStart", "/usr/bin/spawn-fcgi      -F ${workers}      -- /usr/bin/x", 6},
		{"Service", "Environment", `"A=b c"   D=e`, 10},
		{"Service", "Environment", "", 12},
		{"Service", "Restart", "always", 13},
	}
	got, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadNonsense(t *testing.T) {
	for _, text := range []string{"no section=1\n", "[Service\nUser=x\n", "[Service]\nno assignment\n"} {
		if got, err := Read([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// FuzzRead: whatever the file, it is read or refused, and each directive has its line.
func FuzzRead(f *testing.F) {
	f.Add("[Service]\nExecStart=/bin/x \\\n -a\nUser=www-data\n")
	f.Add("[Socket]\r\nListenStream=/run/x.sock\r\n\\\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Read([]byte(text))
		if err != nil {
			return
		}
		last := 0
		for _, d := range all {
			if d.Line <= last || d.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("%+v stands after line %d of %q", d, last, text)
			}
			last = d.Line
		}
	})
}
