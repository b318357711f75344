// Package alert sends messages about instances that go down and come up, from the
// reports of the host's monitor.
//
// No alert is sent for shorter outages than alerts.for, operator actions, or unknown
// states. Receivers of a message about an incident also get one about its end, and
// reminders every alerts.repeat until then. An incident ends without a message if its
// instance is no longer configured, or stopped for ten minutes: the operator who did
// that knows. One cause makes one message, however many instances it takes down.
// Incidents and undelivered messages outlive the monitor: a message is delivered
// twice only if the monitor dies after a receiver accepted it and before that is on
// disk. A monitor that finds no configuration keeps them until there is one.
//
// A receiver that hangs or is gone delays neither the monitor nor other receivers:
// each message is delivered by its own process, which has a deadline.
//
// The package owns incidents (decide.go, incident.go: pure), the queue of each receiver
// (queue.go: pure), the loop around both, the state file, delivery, and the redaction
// of notification URLs. It imports the root package, supervisor/monitor and its
// durable, and supervisor/lockfile.
//
// It refuses to read a notification URL that others may read, and never shows
// any part of one.
package alert
