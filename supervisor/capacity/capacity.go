package capacity

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Limits are what the process may use.
type Limits struct {
	// CPUs is how many processors, which may be a fraction.
	CPUs float64
	// Quota reports that CPUs is the quota of a control group, less than the processors that there are.
	Quota bool
	// Memory is the bound of a control group in bytes; 0: none.
	Memory uint64
}

// Read returns the limits of this process: the least of its control group and of those above it that can be seen
// (cpu.max and memory.max, cgroups(7), version 2), else the processors that it may run on (sched_getaffinity(2)).
func Read() Limits {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		own = nil
	}
	return read("/sys/fs/cgroup", own, runtime.NumCPU())
}

// read is for a hierarchy that is mounted at root, and for the text of /proc/PID/cgroup.
func read(root string, own []byte, cpus int) Limits {
	l := Limits{CPUs: float64(cpus)}
	for dir := groupOf(own); ; dir = filepath.Dir(dir) {
		if quota, ok := cpuMax(filepath.Join(root, dir, "cpu.max")); ok && quota < l.CPUs {
			l.CPUs, l.Quota = quota, true
		}
		if bytes, ok := memoryMax(filepath.Join(root, dir, "memory.max")); ok && (l.Memory == 0 || bytes < l.Memory) {
			l.Memory = bytes
		}
		if dir == "/" {
			return l
		}
	}
}

// groupOf returns the version 2 control group; "/" in a container that sees only its own, or without one.
func groupOf(own []byte) string {
	for line := range bytes.Lines(own) {
		if group, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("0::")); ok {
			return filepath.Clean("/" + string(group)) // in another namespace it may begin with /..
		}
	}
	return "/"
}

// cpuMax reads "QUOTA PERIOD" in microseconds; "max" is not a quota.
func cpuMax(path string) (cpus float64, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return 0, false
	}
	quota, err := strconv.ParseUint(fields[0], 10, 64)
	if err != nil {
		return 0, false
	}
	period, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil || period == 0 {
		return 0, false
	}
	return float64(quota) / float64(period), true
}

// memoryMax reads a number of bytes; "max" is not a bound.
func memoryMax(path string) (bytes uint64, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	bytes, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return bytes, err == nil
}
