package report

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Report is one run, or several of which each brought some tables.
type Report struct {
	Tables []Table `json:"tables"`
}

// Table is one table with all that is needed to repeat it.
type Table struct {
	Key     string   `json:"key"` // steady, mixed, …
	Number  int      `json:"number"`
	Title   string   `json:"title"`
	About   string   `json:"about"`   // how it was measured, in a paragraph
	Profile string   `json:"profile"` // short or full
	Seed    uint64   `json:"seed"`
	Run     Run      `json:"run"`
	Setting string   `json:"setting"` // the profile's parameters, YAML
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
	Notes   []string `json:"notes,omitempty"`
	Plots   []Plot   `json:"plots,omitempty"`
}

// Run is where and when a table was measured.
type Run struct {
	Machine Machine       `json:"machine"`
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took_ns"`
	// Load averages of one minute: what else the machine did before, and what the table itself did.
	LoadBefore float64 `json:"load_before"`
	LoadAfter  float64 `json:"load_after"`
	// Cut says that it was interrupted: rounds are missing.
	Cut bool `json:"cut,omitempty"`
}

// Machine describes where it ran.
type Machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Memory   string            `json:"memory"`
	Kernel   string            `json:"kernel"`
	System   string            `json:"system"`
	Box      bool              `json:"box"` // inside namespaces with a systemd of their own
	Versions map[string]string `json:"versions"`
}

// Row begins a new group when its Group differs from the row's above.
type Row struct {
	Group string `json:"group,omitempty"`
	Name  string `json:"name"`
	Cells []Cell `json:"cells"`
}

// Cell is a measured number, a word, or the reason why there is neither.
type Cell struct {
	Text    string    `json:"text,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Samples []float64 `json:"samples,omitempty"`
	Unit    string    `json:"unit,omitempty"`
}

// Number is a cell of one exact value.
func Number(value float64, unit string) Cell { return Cell{Samples: []float64{value}, Unit: unit} }

// Sampled is a cell whose value is the median of its samples; without any it says so.
func Sampled(samples []float64, unit string) Cell {
	if len(samples) == 0 {
		return Because("nothing was measured")
	}
	return Cell{Samples: samples, Unit: unit}
}

// Word is a cell of text.
func Word(format string, args ...any) Cell { return Cell{Text: fmt.Sprintf(format, args...)} }

// Because is a cell without a value and why.
func Because(reason string) Cell { return Cell{Reason: reason} }

// Merge replaces tables by those of the same key in later reports and keeps the order of numbers.
func Merge(reports ...Report) Report {
	var merged Report
	for _, r := range reports {
		for _, t := range r.Tables {
			merged.Tables = slices.DeleteFunc(merged.Tables, func(old Table) bool { return old.Key == t.Key })
			merged.Tables = append(merged.Tables, t)
		}
	}
	slices.SortStableFunc(merged.Tables, func(a, b Table) int { return a.Number - b.Number })
	return merged
}

// JSON is the report with indentation. A NaN in a sample is an error: nothing here means it.
func (r Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("cannot encode the report: %w", err)
	}
	return append(data, '\n'), nil
}

// Parse reads what JSON wrote.
func Parse(data []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return Report{}, fmt.Errorf("cannot read the report: %w", err)
	}
	return r, nil
}

// short writes a number with three digits that mean something, and no exponent.
func short(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case size < 0.0005:
		return "0"
	case size >= 1e4:
		return thousands(v)
	case size >= 100, v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	case size >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
