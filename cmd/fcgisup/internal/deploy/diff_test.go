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
	const many = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n"
	tests := []struct{ name, old, new, want string }{
		{"same", "a\n", "a\n", ""},
		{"created", "", "a\nb\n", "--- o\n+++ n\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"removed", "a\n", "", "--- o\n+++ n\n@@ -1,1 +0,0 @@\n-a\n"},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "--- o\n+++ n\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"no newline", "a", "a\n", "--- o\n+++ n\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{
			"two hunks", "a\n" + many + "b\n", "A\n" + many + "B\n",
			"--- o\n+++ n\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -19,4 +19,4 @@\n 18\n 19\n 20\n-b\n+B\n",
		},
		{
			"one hunk", "a\n" + many[:10] + "b\n", "A\n" + many[:10] + "B\n",
			"--- o\n+++ n\n@@ -1,7 +1,7 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n-b\n+B\n",
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
	short := unifiedDiff("o", "n", old.String(), new.String())
	if removed, added := strings.Count(short, "\n-"), strings.Count(short, "\n+"); removed != 4 || added != 1 { // one is "+++ n"
		t.Errorf("%d lines removed, want 4; %d added, want none", removed, added-1)
	}
	all := unifiedDiff("o", "n", old.String(), other.String())
	if removed, added := strings.Count(all, "\n-"), strings.Count(all, "\n+"); removed != 20_000 || added != 20_001 {
		t.Errorf("all different: %d removed, %d added", removed, added-1)
	}
}
