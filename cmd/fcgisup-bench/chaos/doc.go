// Package chaos runs a fleet under load, breaks things around it, and says which promises of fcgisup did not hold.
//
// It promises that a seed names a schedule: the same faults on the same members in the same order, with the same
// choices. When they come, to the millisecond, is the machine's affair. Every request of its clients is recorded, and
// judged by a pure function afterwards ([Judge]): what may be lost is exactly what a process held when the harness
// killed it, and what may be refused or answered 503 lies where a fault explains it.
//
// It refuses to harm the machine: all files are below one directory, no clock is set, no process is signalled that it
// has not started or found below one that it has. What a machine does not offer (root, tmpfs, a memory cgroup,
// fanotify, systemd) is skipped and said so.
package chaos
