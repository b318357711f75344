// Package report keeps what a benchmark found and shows it as Markdown, JSON and SVG. It is pure but for Write, which
// replaces whole files.
//
// The JSON is the truth: it has every sample, seed and parameter, and the other forms are made from it. A cell is what
// was measured, or the reason why nothing was.
//
// It imports cmd/fcgisup-bench/stats.
package report
