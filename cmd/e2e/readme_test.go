package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// blocks are a page's fenced blocks of a language.
func blocks(page, language string) []string {
	var all []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestReadmeSteps does in a box, line by line, what README.md tells an admin to do.
func TestReadmeSteps(t *testing.T) {
	inTurn(t, light)
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	steps := blocks(readme, "sh")
	if len(steps) != 1 {
		t.Fatalf("README.md has %d blocks of steps", len(steps))
	}
	b := newBox(t)
	b.copyFrom(t, appPath(t, "hello.pl"), "/srv/checkout/testdata/apps/hello.pl", 0o755)
	// What needs a network or the Go toolchain is there already; a package starts its daemon.
	here := map[string]func(){
		"apt-get": func() { b.run(t, "systemctl", "start", "nginx.service") },
		"make":    func() { b.copyFrom(t, fcgisupBinary(t), "/usr/bin/fcgisup", 0o755) },
	}
	var said, page string
	for line := range strings.Lines(strings.TrimSpace(steps[0])) {
		word, _, _ := strings.Cut(line, " ")
		if do := here[word]; do != nil {
			do()
			continue
		}
		if word == "curl" { // nginx has taken the signal to reload, not yet done it
			within(t, 20*time.Second, func() (err error) {
				page, err = b.shell(line)
				return err
			})
			continue
		}
		var err error
		if said, err = b.shell(line); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(page, "hello\npid ") {
		t.Errorf("curl shows %q", page)
	}
	// The last step is status. README.md shows what it prints: the same columns, and like states.
	want, _, _ := strings.Cut(blocks(readme, "text")[0], "\n")
	if got, _, _ := strings.Cut(said, "\n"); !slices.Equal(strings.Fields(got), strings.Fields(want)) {
		t.Errorf("status prints the columns %q, README.md shows %q", got, want)
	}
	if !regexp.MustCompile(`(?m)^hello@\d +up `).MatchString(said) {
		t.Errorf("after one request no instance is up:\n%s", said)
	}
	if out, code := b.try("fcgisup", "gen", "--check"); code != exitDone {
		t.Errorf("what the steps install drifts at once: exit %d\n%s", code, out)
	}
	for _, later := range []string{"fcgisup reload hello", "systemctl stop hello-fastcgi.target"} {
		if !strings.Contains(readme, "`"+later+"`") {
			t.Errorf("README.md no longer shows %s: neither should this test", later)
		}
		if _, err := b.shell(later); err != nil {
			t.Error(err)
		}
	}
	within(t, 20*time.Second, func() error { // systemctl waits for the target, not for what is part of it
		if left := b.running("hello-fastcgi*"); len(left) > 0 {
			return fmt.Errorf("after stop there are still %q", left)
		}
		return nil
	})
}

// shell runs a line in the checkout's place.
func (b *box) shell(line string) (string, error) {
	out, code := b.try("sh", "-ec", "cd /srv/checkout\n"+line)
	if code != 0 {
		return out, fmt.Errorf("%sexit %d\n%s%s", line, code, out, b.failures())
	}
	return out, nil
}
