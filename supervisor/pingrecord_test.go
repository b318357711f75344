package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

func notPingable(command string) pinged {
	return pinged{launch: worker.Launch{Argv: []string{command}, Env: []string{"PASSWORD=secret"}}}
}

// TestPingRecordOutlivesTheProcess: what one supervisor has found the next one knows, and so do those of other instances.
func TestPingRecordOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own, other := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	of := notPingable("/a")
	b := pingBook{record: pingRecord{own, nil}}
	if v := b.verdict(of); v != control.PingUntried {
		t.Fatalf("before a ping: %q", v)
	}
	if err := b.conclude(of, control.PingNone); err != nil {
		t.Fatal(err)
	}
	for name, record := range map[string]pingRecord{"the same": {own, nil}, "a sibling": {other, []string{own}}} {
		next := pingBook{record: record}
		if v := next.verdict(of); v != control.PingNone {
			t.Errorf("%s: the next knows %q", name, v)
		}
		changed := of
		changed.launch.Env = []string{"PASSWORD=another"}
		if v := next.verdict(changed); v != control.PingUntried {
			t.Errorf("%s: of another program the next knows %q", name, v)
		}
	}
	info, err := os.Stat(own)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(own); err != nil || bytes.Contains(text, []byte("secret")) {
		t.Errorf("%v, %s", err, text)
	}
}

// TestPingRecordIsBounded: it keeps the newest, and a program that answers is not in it.
func TestPingRecordIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pings")
	b := pingBook{record: pingRecord{path, nil}}
	_ = b.conclude(notPingable("/answers"), control.PingAnswers)
	for n := range 10 * maxPinged {
		if err := b.conclude(notPingable(fmt.Sprint("/", n)), control.PingNone); err != nil {
			t.Fatal(err)
		}
	}
	all := readPingRecord(path)
	if len(all.None) != maxPinged || !all.has(notPingable(fmt.Sprint("/", 10*maxPinged-1))) || all.has(notPingable("/answers")) {
		t.Errorf("%d entries", len(all.None))
	}
	if info, err := os.Stat(path); err != nil || info.Size() > maxPingRecord/4 {
		t.Errorf("%v, %d bytes", err, info.Size())
	}
}

// TestPingRecordThatIsNoRecord: what is in its place is ignored, and replaced if that can be done.
func TestPingRecordThatIsNoRecord(t *testing.T) {
	t.Parallel()
	of := notPingable("/a")
	for name, lay := range map[string]func(path string) error{
		"garbage":    func(path string) error { return os.WriteFile(path, []byte("\x00}{"), 0o600) },
		"other JSON": func(path string) error { return os.WriteFile(path, []byte(`{"none":[{"salt":1}]}`), 0o600) },
		"an empty":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a large one": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat(" ", maxPingRecord+1)), 0o600)
		},
		"a link": func(path string) error { return os.Symlink("/dev/zero", path) },
		"a fifo": func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		path := filepath.Join(t.TempDir(), "pings")
		if err := lay(path); err != nil {
			t.Fatal(err)
		}
		b := pingBook{record: pingRecord{path, nil}}
		if v := b.verdict(of); v != control.PingUntried {
			t.Errorf("%s: %q", name, v)
		}
		if err := b.conclude(of, control.PingNone); err != nil || !readPingRecord(path).has(of) {
			t.Errorf("%s is not replaced: %v", name, err)
		}
	}
	b := pingBook{record: pingRecord{filepath.Join(t.TempDir(), "missing", "pings"), nil}}
	if err := b.conclude(of, control.PingNone); err == nil || b.verdict(of) != control.PingNone {
		t.Errorf("without a directory: %v, %q", err, b.verdict(of))
	}
}
