// Package box starts a machine inside this one: real systemd as PID 1 of its own mount, pid, cgroup, uts, ipc and
// network namespaces, over a copy-on-write view of this machine's root. It is for tests and benchmarks.
//
// Nothing done in a box is seen outside, and nothing of it is left when its keeper ends: the keeper removes all, even
// when the process that called Boot is killed. A box needs root, cgroup2 and util-linux; it is not a prison for programs
// that mean harm.
//
// It imports nothing of fcgisup.
package box
