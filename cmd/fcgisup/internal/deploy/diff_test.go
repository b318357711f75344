package deploy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestUnifiedDiff(t *testing.T) {
	many := strings.Repeat("x\n", 20)
	tests := []struct{ name, old, new, want string }{
		{"same", "a\n", "a\n", ""},
		{"created", "", "a\nb\n", "--- o\n+++ n\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"removed", "a\n", "", "--- o\n+++ n\n@@ -1 +0,0 @@\n-a\n"},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "--- o\n+++ n\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"no newline", "a", "a\n", "--- o\n+++ n\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{
			"two hunks", "a\n" + many + "b\n", "A\n" + many + "B\n",
			"--- o\n+++ n\n@@ -1,4 +1,4 @@\n-a\n+A\n x\n x\n x\n@@ -19,4 +19,4 @@\n x\n x\n x\n-b\n+B\n",
		},
		{
			"one hunk", "a\n" + many[:12] + "b\n", "A\n" + many[:12] + "B\n",
			"--- o\n+++ n\n@@ -1,8 +1,8 @@\n-a\n+A\n x\n x\n x\n x\n x\n x\n-b\n+B\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := unifiedDiff("o", "n", test.old, test.new); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// TestDiffApplies lets patch(1) make the new text of the old one, for texts of all kinds.
func TestDiffApplies(t *testing.T) {
	needFiles(t, "/usr/bin/patch")
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		old, new := randomText(random), randomText(random)
		if old == new {
			continue
		}
		place := t.TempDir() + "/file"
		writeFile(t, place, old)
		command := exec.Command("/usr/bin/patch", "--silent", "--fuzz=0", place)
		command.Stdin = strings.NewReader(unifiedDiff("file", "file", old, new))
		out, err := command.CombinedOutput()
		got, _ := os.ReadFile(place)
		if err != nil || string(got) != new {
			t.Fatalf("patch: %v\n%s\nold %q\nnew %q\ngot %q", err, out, old, new, got)
		}
	}
}

func randomText(random *rand.Rand) string {
	var b strings.Builder
	for range random.IntN(30) {
		fmt.Fprintln(&b, random.IntN(4))
	}
	text := b.String()
	if random.IntN(4) == 0 {
		text = strings.TrimSuffix(text, "\n")
	}
	return text
}

// TestDiffIsShort: a line among thousands is one line of the difference, and what is all different still ends.
func TestDiffIsShort(t *testing.T) {
	var old, new, other strings.Builder
	for i := range 20_000 {
		fmt.Fprintln(&old, i)
		fmt.Fprintln(&other, -i-1)
		if i%5000 != 7 {
			fmt.Fprintln(&new, i)
		}
	}
	edits := diffLines(splitLines(old.String()), splitLines(new.String()))
	if n := strings.Count(opsOf(edits), "-"); n != 4 || strings.Contains(opsOf(edits), "+") {
		t.Errorf("%d lines removed, want 4", n)
	}
	edits = diffLines(splitLines(old.String()), splitLines(other.String()))
	if ops := opsOf(edits); strings.Count(ops, "-") != 20_000 || strings.Count(ops, "+") != 20_000 {
		t.Errorf("all different: %d edits", len(edits))
	}
}

func opsOf(edits []edit) string {
	ops := make([]byte, len(edits))
	for i, e := range edits {
		ops[i] = e.op
	}
	return string(ops)
}
