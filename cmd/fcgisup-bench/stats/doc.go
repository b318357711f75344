// Package stats says what a handful of noisy measurements support: medians, quartiles, and ratios of what was measured
// side by side. It is pure: the same samples and seed give the same numbers.
//
// It refuses means and standard deviations: one pause of a shared machine moves them as far as it likes.
//
// It imports nothing of fcgisup.
package stats
