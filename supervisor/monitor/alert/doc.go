// Package alert tells people what changes for the worse, and when it is well
// again, from the reports of the host's monitor.
//
// It promises that no alert is sent for what lasted shorter than alerts.for, of what
// the operator did or of what could not be learned; that receivers who heard of a
// trouble hears of its end, and again every alerts.repeat until then, unless the
// operator ends it: what is no longer configured, or in the operator's hands for
// ten minutes, is over without a word, for the operator who did that knows; that one
// cause makes one message, however many instances it takes down; and that what
// was firing and what was still to be delivered outlive the monitor's death: a
// message is delivered twice only if the monitor dies between the moment a
// target has taken it and the moment that is on disk. A monitor that finds no
// configuration keeps all of it for when there is one.
//
// A target that hangs or is gone delays neither the monitor nor other targets:
// each message is delivered by a process of its own, which has a deadline.
//
// It refuses to read a notification URL that others may read, and never shows
// any part of one.
package alert
