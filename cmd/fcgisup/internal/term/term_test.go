package term

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := Table{
		Header: []string{"NAME", "SINCE", "PROBE", "FAILURE"},
		Rows: [][]string{
			{"web@1", "3h5m", "ok", "3m ago: crash, exit status 1: cannot find the daß file"},
			{"web@10", "now", "-", "-"},
		},
		Optional: []string{"SINCE", "PROBE"},
	}
	for width, want := range map[int][]string{
		0: {
			"NAME    SINCE  PROBE  FAILURE",
			"web@1   3h5m   ok     3m ago: crash, exit status 1: cannot find the daß file",
			"web@10  now    -      -",
		},
		40: {
			"NAME    SINCE  PROBE  FAILURE",
			"web@1   3h5m   ok     3m ago: crash, ex…",
			"web@10  now    -      -",
		},
		34: {
			"NAME    PROBE  FAILURE",
			"web@1   ok     3m ago: crash, exi…",
			"web@10  -      -",
		},
		10: {
			"NAME    F…",
			"web@1   3…",
			"web@10  -",
		},
	} {
		got := table.Lines(width)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", width, diff)
		}
		for _, line := range got {
			if width > 0 && utf8.RuneCountInString(line) > width {
				t.Errorf("%d columns: %q", width, line)
			}
		}
	}
}

// lockedBuffer is written by a progress and read by the test.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.text.Reset()
	return b.text.String()
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		p := newProgress(&out, 30, "restarting web@1")
		time.Sleep(1900 * time.Millisecond)
		if got := out.take(); got != "" {
			t.Errorf("before two seconds: %q", got)
		}
		time.Sleep(200 * time.Millisecond)
		if got := out.take(); got != "\r\x1b[Krestarting web@1 (2s)" {
			t.Errorf("after two seconds: %q", got)
		}
		p.Set("restarting web@2, whose name is long")
		time.Sleep(time.Second)
		if got := out.take(); got != "\r\x1b[Krestarting web@2, whose name…" {
			t.Errorf("after three seconds: %q", got)
		}
		var none *Progress
		none.Line(&out, "one")
		p.Line(&out, "two")
		if got := out.take(); got != "one\n\r\x1b[Ktwo\n" {
			t.Errorf("lines above: %q", got)
		}
		p.Done()
		p.Done()
		time.Sleep(time.Minute)
		if got := out.take(); got != "\r\x1b[K" {
			t.Errorf("at the end: %q", got)
		}
	})
}

// TestProgressNone: what is over soon leaves no trace, and a pipe gets nothing.
func TestProgressNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		newProgress(&out, 80, "short").Done()
		p := (&Env{Out: &bytes.Buffer{}, Err: &out, Getenv: func(string) string { return "" }}).Progress("into a pipe")
		time.Sleep(time.Minute)
		p.Set("still")
		p.Done()
		if got := out.take(); got != "" {
			t.Errorf("%q", got)
		}
	})
}

func TestNoTerminal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c := &Env{Out: &CheckedOutput{Writer: w}, Err: w, Getenv: func(string) string { return "" }}
	if s := c.Screen(); c.Terminal() || s != (Screen{}) {
		t.Errorf("a pipe has %+v", s)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"none":           {nil, ExitDone, ""},
		"plain":          {errors.New("cannot go\x1b[2J"), ExitFail, "fcgisup: cannot go\\x1b[2J\n"},
		"a hint":         {Hinted(errors.New("cannot go"), "wait"), ExitFail, "fcgisup: cannot go\nhint: wait\n"},
		"usage":          {Usage(errors.New("what")), ExitUsage, "fcgisup: what\nhint: fcgisup --help lists the commands\n"},
		"an exit code":   {Exit(3), 3, ""},
		"configurations": {fcgisup.Errors{{Msg: "one"}, {Msg: "two"}}, ExitUsage, ""},
	} {
		var out bytes.Buffer
		code := (&Env{Err: &out}).Report(c.err)
		if code != c.code || c.want != "" && out.String() != c.want {
			t.Errorf("%s: exit code %d, %q", name, code, out.String())
		}
		if name == "configurations" && strings.Count(out.String(), "\n") != 2 {
			t.Errorf("%s: %q", name, out.String())
		}
	}
	var out bytes.Buffer
	(&Env{Err: &out, Command: "fcgisup check"}).Report(Usage(errors.New("what")))
	if out.String() != "fcgisup: what\nhint: fcgisup check --help shows what it takes, and examples\n" {
		t.Errorf("with its command: %q", out.String())
	}
	if !Said(Exit(1)) || Said(errors.New("x")) {
		t.Error("only an exit code has nothing more to say")
	}
}

func TestShellWords(t *testing.T) {
	t.Parallel()
	if got := ShellWords([]string{"a-b", "it's", "", "x y"}); got != `a-b 'it'\''s' '' 'x y'` {
		t.Error(got)
	}
	if got := Plural(1, "worker") + " " + Plural(2, "worker"); got != "1 worker 2 workers" {
		t.Error(got)
	}
}

// TestDidYouMean: the closest name is suggested, none that shares hardly a letter.
func TestDidYouMean(t *testing.T) {
	t.Parallel()
	names := []string{"hello", "help", "rt", "qgis"}
	for name, want := range map[string]string{
		"helo": "hello", "hell": "hello", "hellp": "hello", "qigs": "qgis", "r": "", "rtt": "rt", "x": "", "xy": "", "something": "", "": "",
	} {
		if want != "" {
			want = "did you mean " + want + "?"
		}
		if got := DidYouMean(name, names); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
