package doctor

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/finding"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
)

// subjectMark stands for the subject in the fix of a rule, since findings about the
// instances of one app become one.
const subjectMark = "{}"

// examine applies all rules, or the early ones alone.
func examine(f *facts, early bool) []finding.Finding {
	found := slices.Clone(f.unseen)
	for _, r := range rules() {
		if r.early || !early {
			found = append(found, r.find(f)...)
		}
	}
	found = merge(found)
	rank := map[finding.Grade]int{}
	for i, s := range finding.Severities() {
		rank[s.Is] = i
	}
	slices.SortStableFunc(found, func(a, b finding.Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	return found
}

var numbered = term.Pattern(`^(.*@)(0|[1-9][0-9]{0,8})(\.[a-z]+)?$`)

// likeness is what findings about the instances of one app have in common.
type likeness struct {
	finding.Finding
	before, after string
}

// merge makes one finding of those that differ in an instance's number only.
func merge(found []finding.Finding) []finding.Finding {
	var order []likeness
	numbers := map[likeness][]int{}
	for _, f := range found {
		k, number := likeness{Finding: f}, 0
		if m := numbered().FindStringSubmatch(f.Subject); m != nil {
			number, _ = strconv.Atoi(m[2]) // nine digits
			k.before, k.after, k.Subject = m[1], m[3], ""
		}
		if _, again := numbers[k]; !again {
			order = append(order, k)
		}
		numbers[k] = append(numbers[k], number)
	}
	all := make([]finding.Finding, len(order))
	for i, k := range order {
		all[i] = k.Finding
		quoted := term.ShellWord(k.Subject)
		if k.before != "" {
			all[i].Subject = k.before + braces(numbers[k]) + k.after
			quoted = term.ShellWord(k.before) + braces(numbers[k]) + k.after
		}
		all[i].Fix = strings.ReplaceAll(k.Fix, subjectMark, quoted)
	}
	return all
}

// braces are numbers as a shell expands them: 3, {1..5}, {{1..3},7}.
func braces(numbers []int) string {
	parts := term.Ranges(numbers)
	for i, part := range parts {
		if strings.Contains(part, "..") {
			parts[i] = "{" + part + "}"
		}
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func countOf(found []finding.Finding, s finding.Grade) int {
	n := 0
	for _, f := range found {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// printFindings prints a group for each severity, and how many there are.
func printFindings(w io.Writer, looked string, found []finding.Finding, colour bool) error {
	var b strings.Builder
	var counts []string
	for _, s := range finding.Severities() {
		n := countOf(found, s.Is)
		if n == 0 {
			continue
		}
		counts = append(counts, term.Plural(n, string(s.Is)))
		heading := s.Heading
		if colour {
			heading = "\x1b[1;" + s.Colour + "m" + heading + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s\n", heading)
		var last finding.Finding
		for _, f := range found {
			if f.Severity == s.Is {
				printFinding(&b, f, last)
				last = f
			}
		}
		b.WriteString("\n")
	}
	if counts == nil {
		counts = []string{"nothing to fix"}
	}
	fmt.Fprintf(&b, "%s; looked at %s\n", strings.Join(counts, ", "), looked)
	_, err := io.WriteString(w, b.String())
	return err
}

// printFinding does not say again what the finding before has said.
func printFinding(b *strings.Builder, f, last finding.Finding) {
	fmt.Fprintf(b, "  %s  %s\n", f.ID, fcgisup.Printable(f.Subject))
	if f.ID != last.ID || f.Message != last.Message {
		fmt.Fprintf(b, "    %s\n", fcgisup.Printable(f.Message))
	}
	if f.Fix != "" {
		fmt.Fprintf(b, "    fix: %s\n", fcgisup.Printable(f.Fix))
	}
}
