package deploy

import (
	"fmt"
	"strings"
)

// around is how many equal lines surround a difference.
const around = 3

// maxEdits bounds the search for the shortest difference, whose memory grows
// with the square; what differs by more is shown as replaced.
const maxEdits = 1000

// edit is one line of a difference: ' ' kept, '-' only in the old text, '+' only in the new.
type edit struct {
	op   byte
	line string
}

// unifiedDiff is what diff -u prints, empty for equal texts.
func unifiedDiff(oldName, newName, before, after string) string {
	if before == after {
		return ""
	}
	edits := diffLines(splitLines(before), splitLines(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", oldName, newName)
	oldLine, newLine := 1, 1
	for at := 0; at < len(edits); {
		start, end := nextHunk(edits, at)
		for _, e := range edits[at:start] {
			oldLine, newLine = advance(e, oldLine, newLine)
		}
		if start == end {
			break
		}
		oldStart, newStart := oldLine, newLine
		for _, e := range edits[start:end] {
			oldLine, newLine = advance(e, oldLine, newLine)
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", hunkRange(oldStart, oldLine-oldStart), hunkRange(newStart, newLine-newStart))
		for _, e := range edits[start:end] {
			b.WriteByte(e.op)
			b.WriteString(e.line)
			if !strings.HasSuffix(e.line, "\n") {
				b.WriteString("\n\\ No newline at end of file\n")
			}
		}
		at = end
	}
	return b.String()
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	all := strings.SplitAfter(s, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

func advance(e edit, oldLine, newLine int) (int, int) {
	switch e.op {
	case '-':
		return oldLine + 1, newLine
	case '+':
		return oldLine, newLine + 1
	}
	return oldLine + 1, newLine + 1
}

// hunkRange is START,COUNT as diff writes it: the line before when there is none.
func hunkRange(start, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", start-1)
	case 1:
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, count)
}

// nextHunk finds the next run of differences with its context; start equals end when there is none.
func nextHunk(edits []edit, from int) (start, end int) {
	first := from
	for first < len(edits) && edits[first].op == ' ' {
		first++
	}
	if first == len(edits) {
		return first, first
	}
	last := first
	for i := first; i < len(edits) && i-last <= 2*around+1; i++ {
		if edits[i].op != ' ' {
			last = i
		}
	}
	return max(from, first-around), min(len(edits), last+1+around)
}

// diffLines keeps what both ends share and searches between them.
func diffLines(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var edits []edit
	edits = appendAll(edits, ' ', a[:head])
	edits = append(edits, shortest(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return appendAll(edits, ' ', a[len(a)-tail:])
}

func appendAll(edits []edit, op byte, lines []string) []edit {
	for _, line := range lines {
		edits = append(edits, edit{op, line})
	}
	return edits
}

// shortest is the greedy search of E. Myers, "An O(ND) Difference Algorithm and
// Its Variations" (1986): furthest[k] is how far in a the best path on diagonal
// k (x-y) gets with d edits; the rounds are kept to walk back.
func shortest(a, b []string) []edit {
	limit := min(len(a)+len(b), maxEdits)
	furthest := make([]int, 2*limit+3)
	middle := limit + 1
	var rounds [][]int
	for d := 0; d <= limit; d++ {
		rounds = append(rounds, append([]int(nil), furthest[middle-d-1:middle+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := furthest[middle+k-1] + 1
			if k == -d || k != d && furthest[middle+k-1] < furthest[middle+k+1] {
				x = furthest[middle+k+1]
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			furthest[middle+k] = x
			if x >= len(a) && y >= len(b) {
				return walkBack(a, b, rounds)
			}
		}
	}
	return appendAll(appendAll(nil, '-', a), '+', b)
}

// walkBack turns the rounds of shortest into edits, last first, then reversed.
func walkBack(a, b []string, rounds [][]int) []edit {
	var reversed []edit
	x, y := len(a), len(b)
	for d := len(rounds) - 1; d >= 0; d-- {
		reached := func(k int) int { return rounds[d][d+1+k] }
		k := x - y
		previous := k - 1
		if k == -d || k != d && reached(k-1) < reached(k+1) {
			previous = k + 1
		}
		fromX := reached(previous)
		fromY := fromX - previous
		for x > max(fromX, 0) && y > max(fromY, 0) && a[x-1] == b[y-1] {
			reversed = append(reversed, edit{' ', a[x-1]})
			x, y = x-1, y-1
		}
		switch {
		case d == 0:
		case x == fromX:
			y--
			reversed = append(reversed, edit{'+', b[y]})
		default:
			x--
			reversed = append(reversed, edit{'-', a[x]})
		}
	}
	edits := make([]edit, len(reversed))
	for i, e := range reversed {
		edits[len(reversed)-1-i] = e
	}
	return edits
}
