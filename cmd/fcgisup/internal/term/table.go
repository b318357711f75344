package term

import (
	"strings"
	"unicode/utf8"
)

// Table is drawn in aligned columns that fit a screen.
type Table struct {
	Header []string
	Rows   [][]string
	// Optional are the headers of columns that are left out where the screen is too narrow, in this order.
	Optional []string
}

const (
	columnGap = 2
	// leastLast is to how many columns the last column may be cut.
	leastLast = 16
)

// Lines are the header and the rows, no wider than width columns as far as the optional columns allow; 0 has no limit. Cells of
// the last column are cut where the rest does not fit. Ends of lines are not padded.
func (t Table) Lines(width int) []string {
	rows := append([][]string{t.Header}, t.Rows...)
	columns := make([]int, len(t.Header))
	for n := range columns {
		columns[n] = n
	}
	for _, name := range t.Optional {
		if last := columns[len(columns)-1]; width == 0 || widthOf(rows, columns[:len(columns)-1])+min(widest(rows, last), leastLast) <= width {
			break
		}
		for n, c := range columns {
			if t.Header[c] == name {
				columns = append(columns[:n:n], columns[n+1:]...)
				break
			}
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		for _, c := range columns[:len(columns)-1] {
			line.WriteString(row[c])
			line.WriteString(strings.Repeat(" ", widest(rows, c)-utf8.RuneCountInString(row[c])+columnGap))
		}
		line.WriteString(row[columns[len(columns)-1]])
		lines[n] = Cut(strings.TrimRight(line.String(), " "), width)
	}
	return lines
}

// widthOf is that of some columns, each with the gap behind it.
func widthOf(rows [][]string, columns []int) (n int) {
	for _, c := range columns {
		n += widest(rows, c) + columnGap
	}
	return n
}

func widest(rows [][]string, column int) (n int) {
	for _, row := range rows {
		n = max(n, utf8.RuneCountInString(row[column]))
	}
	return n
}

// Cut ends a line that is wider than width with "…"; 0 has no limit.
func Cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}
