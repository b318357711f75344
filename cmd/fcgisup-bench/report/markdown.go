package report

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/stats"
)

// The lines between which Insert keeps a report in a page that people wrote.
const (
	beginMark = "<!-- fcgisup-bench: what follows is generated -->"
	endMark   = "<!-- fcgisup-bench: end -->"
)

// Markdown is all tables; prefix goes before the names of plots, as in ![](bench-steady-1.svg).
func (r Report) Markdown(prefix string) string {
	var b strings.Builder
	b.WriteString(machines(r.Tables))
	for _, t := range r.Tables {
		b.WriteString("\n" + t.markdown(prefix))
	}
	return b.String()
}

// Insert replaces what is between the marks of a page; a page without them is refused.
func Insert(page []byte, text string) ([]byte, error) {
	before, rest, found := bytes.Cut(page, []byte(beginMark))
	_, after, ends := bytes.Cut(rest, []byte(endMark))
	if !found || !ends {
		return nil, errors.New("cannot insert the report: the page has no marks " + beginMark + " and " + endMark)
	}
	return slices.Concat(before, []byte(beginMark+"\n\n"+strings.TrimSpace(text)+"\n\n"+endMark), after), nil
}

// machines describes each machine once, with the tables that were measured on it.
func machines(tables []Table) string {
	var b strings.Builder
	var known []string
	for _, t := range tables {
		text := t.Run.Machine.describe()
		if slices.Contains(known, text) {
			continue
		}
		known = append(known, text)
		b.WriteString("**The machine:** " + text + "\n")
		if before := t.Run.LoadBefore; before > float64(t.Run.Machine.Cores) {
			fmt.Fprintf(&b, "\n**It was busy with other work:** the load average was %.1f before the first table. Differences of speed are noise, and times are too long.\n", before)
		}
	}
	return b.String()
}

func (m Machine) describe() string {
	where := ""
	if m.Box {
		where = ", in a box of namespaces with a systemd of its own"
	}
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		versions = append(versions, name+" "+m.Versions[name])
	}
	return fmt.Sprintf("%d cores (%s), %s of memory, %s, Linux %s%s. %s.", m.Cores, m.CPU, m.Memory, m.System, m.Kernel, where, strings.Join(versions, ", "))
}

func (t Table) markdown(prefix string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %d. %s\n\n%s\n\n%s\n\n", t.Number, t.Title, strings.TrimSpace(t.About), t.circumstances())
	var reasons []string
	row(&b, append([]string{""}, t.Columns...))
	row(&b, slices.Repeat([]string{"---"}, len(t.Columns)+1))
	group := ""
	for _, r := range t.Rows {
		if r.Group != group {
			group = r.Group
			row(&b, append([]string{"**" + escape(group) + "**"}, slices.Repeat([]string{""}, len(t.Columns))...))
		}
		cells := []string{escape(r.Name)}
		for i, c := range r.Cells {
			if i > 0 && r.incapable() {
				cells = append(cells, "") // said once
				continue
			}
			cells = append(cells, c.markdown(&reasons))
		}
		row(&b, cells)
	}
	for i, reason := range reasons {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s %s<br>\n", footnote(i), escape(reason))
	}
	for _, note := range t.Notes {
		b.WriteString("\n" + note + "\n")
	}
	if t.Setting != "" {
		fmt.Fprintf(&b, "\n<details><summary>Parameters</summary>\n\n```text\n%s\n```\n\n</details>\n", strings.TrimSpace(t.Setting))
	}
	for _, p := range t.Plots {
		fmt.Fprintf(&b, "\n![%s](%s)\n", strings.ReplaceAll(p.Title, "]", ")"), prefix+p.Name+".svg")
	}
	return b.String()
}

// incapable is a row that has the same reason all along and nothing else.
func (r Row) incapable() bool {
	return !slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Reason == "" || c.Text != "" || c.Reason != r.Cells[0].Reason })
}

// circumstances is what a reader must know before believing a number.
func (t Table) circumstances() string {
	cut := ""
	if t.Run.Cut {
		cut = " **It was interrupted; rounds are missing.**"
	}
	return fmt.Sprintf("*%s, %s profile, seed %d; %v; load average %.1f before, %.1f after.%s*", t.Run.Began.UTC().Format("2 January 2006 15:04 UTC"), t.Profile, t.Seed, t.Run.Took.Round(time.Second), t.Run.LoadBefore, t.Run.LoadAfter, cut)
}

func row(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func escape(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(text)
}

// footnote is the mark of the i-th reason.
func footnote(i int) string { return fmt.Sprintf("<sup>%d</sup>", i+1) }

// markdown shows the median, and the quartiles if there are enough samples to have any; a reason becomes a footnote
// that all cells of the same reason share.
func (c Cell) markdown(reasons *[]string) string {
	if c.Reason != "" {
		at := slices.Index(*reasons, c.Reason)
		if at < 0 {
			at = len(*reasons)
			*reasons = append(*reasons, c.Reason)
		}
		text := "—"
		if c.Text != "" {
			text = escape(c.Text)
		}
		return text + footnote(at)
	}
	if len(c.Samples) == 0 {
		return escape(c.Text)
	}
	s := stats.Summarize(c.Samples)
	text := strings.TrimSpace(short(s.Median) + " " + c.Unit)
	if s.N >= 3 && short(s.Q1) != short(s.Q3) {
		text += fmt.Sprintf(" (%s–%s)", short(s.Q1), short(s.Q3))
	}
	return strings.TrimSpace(text + " " + escape(c.Text))
}
