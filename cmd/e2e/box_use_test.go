package e2e

import (
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// try runs a command in the box and gives its output, both streams, and its exit code.
func (b *box) try(argv ...string) (string, int) { return b.Run(argv...) }

// run is try for what must succeed.
func (b *box) run(t *testing.T, argv ...string) string {
	t.Helper()
	out, code := b.try(argv...)
	if code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", strings.Join(argv, " "), code, out, b.failures())
	}
	return out
}

// path is a file of the box seen from outside. Absolute symbolic links in it would lead outside.
func (b *box) path(name string) string { return b.Path(name) }

func (b *box) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := b.Write(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func (b *box) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(b.path(name)); err != nil {
		t.Fatal(err)
	}
}

func (b *box) rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(b.path(from), b.path(to)); err != nil {
		t.Fatal(err)
	}
}

func (b *box) exists(name string) bool {
	_, err := os.Lstat(b.path(name))
	return err == nil
}

// read is the content of a file, empty without one.
func (b *box) read(name string) string {
	content, _ := os.ReadFile(b.path(name))
	return string(content)
}

// copyFrom puts a file of this machine into the box.
func (b *box) copyFrom(t *testing.T, source, name string, mode os.FileMode) {
	t.Helper()
	if err := b.Copy(source, name, mode); err != nil {
		t.Fatal(err)
	}
}

func (b *box) journal(unit string) string {
	out, _ := b.try("journalctl", "--no-pager", "-q", "-o", "short-precise", "-n", "60", "-u", unit)
	return out
}

func (b *box) number(t *testing.T, unit, name string) int {
	t.Helper()
	text := b.property(t, unit, name)
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s of %s is %q, not a number", name, unit, text)
	}
	return n
}

// failures tells what a broken box has to say, for the message of a failing test.
func (b *box) failures() string { return b.Failures() }

// logFailures logs what the box has to say if the test has failed. It is deferred by what waits: each try would cost two processes.
func (b *box) logFailures(t *testing.T) {
	t.Helper()
	if t.Failed() {
		t.Log(b.failures())
	}
}

// waitLimit is the least that a test waits for what it expects: nothing is lost by it but in a failing test. What must not
// take so long is measured.
const waitLimit = time.Minute

// within waits until check has no complaint. It asks often at first, but leaves at least two thirds of the time to what it
// waits for: a check may be a program.
func within(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	pause := 10 * time.Millisecond
	for end := time.Now().Add(max(limit, waitLimit)); ; {
		begin := time.Now()
		err := check()
		if err == nil {
			return
		}
		now := time.Now()
		if now.After(end) {
			t.Fatalf("not within %v: %v", limit, err)
		}
		time.Sleep(max(pause, min(2*now.Sub(begin), time.Second)))
		pause = min(pause*3/2, 200*time.Millisecond)
	}
}

// processesLike are the command lines in the box that match, by pid.
func (b *box) processesLike(t *testing.T, pattern string) map[int]string {
	t.Helper()
	all, err := b.Processes()
	if err != nil {
		t.Fatal(err)
	}
	matching := regexp.MustCompile(pattern)
	maps.DeleteFunc(all, func(_ int, line string) bool { return !matching.MatchString(line) })
	return all
}
