// Command fcgisup-bench runs fcgisup and its peers on the same work, side by side, and writes what it measured as
// Markdown, JSON and SVG. docs/benchmarks.md says how to read it.
//
// It promises that all sides of a comparison had the same program, requests and moment, that every number comes with the
// parameters and the seed that give it again, that a peer which cannot do a thing says so with the reason, and that it
// stops what it has started, also when it is interrupted or killed: as root it works in a box of namespaces, and
// nothing of it is seen outside. It refuses to correct for noise: it shows it.
package main
