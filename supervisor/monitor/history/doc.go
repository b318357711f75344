// Package history remembers which state each of many things was in, and when:
// the last 24 hours, in bounded memory, in a file that outlives its writer.
//
// It promises that the spans of a thing follow each other without gaps: a time
// without samples is a span of its own, in the state named for that. A
// thing that changes its state all the time costs no more than [MaxSpans]: its
// shortest spans are joined, and the worse state is kept, so that trouble is
// never smoothed away. The clock may jump.
//
// It refuses files that it did not write whole; [Open] sets them aside.
//
// It imports monitor/durable.
package history
