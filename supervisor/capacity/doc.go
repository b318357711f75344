// Package capacity reads how much of the machine this process may use: the CPUs and the memory of its control groups.
//
// It imports nothing of fcgisup.
package capacity
