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

// TestReadmeSteps does in a box, line by line, what README.md tells an administrator to do.
func TestReadmeSteps(t *testing.T) {
	inTurn(t, light)
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	b := newBox(t)
	b.copyFrom(t, procPath(t, builtFcgisup), "/usr/bin/fcgisup", 0o755)
	b.copyFrom(t, appPath(t, "hello.pl"), "/usr/local/bin/hello.fcgi", 0o755)
	b.startNginx(t)
	for _, file := range []struct{ path, language string }{{"/etc/fcgisup/fcgisup.yaml", "yaml"}, {"/etc/nginx/conf.d/hello.conf", "nginx"}} {
		shown := blocks(readme, file.language)
		if len(shown) != 1 || !strings.Contains(readme, "`"+file.path+"`") {
			t.Fatalf("README.md shows %d files as %s, or does not name %s", len(shown), file.language, file.path)
		}
		b.write(t, file.path, shown[0], 0o644)
	}
	steps := blocks(readme, "sh")
	if len(steps) != 1 {
		t.Fatalf("README.md has %d blocks of steps", len(steps))
	}
	var said, page string
	for line := range strings.Lines(strings.TrimSpace(steps[0])) {
		if strings.HasPrefix(line, "curl ") { // nginx has taken the signal to reload, not yet done it
			within(t, 20*time.Second, func() (err error) {
				page, err = b.shell(line)
				return err
			})
			continue
		}
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
	b.run(t, "rm", "/etc/nginx/conf.d/hello.conf") // with the include
	for _, later := range []string{"fcgisup reload hello", "fcgisup remove hello"} {
		if !strings.Contains(readme, "`"+later+"`") {
			t.Errorf("README.md no longer shows %s: neither should this test", later)
		}
		if _, err := b.shell(later); err != nil {
			t.Error(err)
		}
	}
	if left := b.running(t, "hello-fastcgi*"); len(left) > 0 {
		t.Errorf("after remove there are still %q", left)
	}
}

// shell runs a line.
func (b *box) shell(line string) (string, error) {
	out, code := b.try("sh", "-ec", line)
	if code != 0 {
		return out, fmt.Errorf("%sexit %d\n%s%s", line, code, out, b.failures())
	}
	return out, nil
}
