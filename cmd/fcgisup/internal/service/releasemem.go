package service

import (
	"bufio"
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// GCPercent collects garbage early: a supervisor has little, works little, and
// there may be a thousand of them.
const GCPercent = 25

// ReleaseEvery is how many beats of the watchdog, half a minute each, pass
// between two releases of what commands and probes have touched.
const ReleaseEvery = 20

// ReleaseMemory gives back what only the beginning needed: garbage, and the pages
// of the program file that were read on the way. The kernel maps 16 of those
// around each that is touched (fault-around), so an idle supervisor would count
// nearly the whole file as resident. Madvise(2) with MADV_DONTNEED is safe for
// them: they are clean, and come back from the page cache when they are used.
func ReleaseMemory() {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		if from, to, ok := cleanMapping(lines.Text(), program); ok {
			// A failure leaves the pages where they are.
			_, _, _ = syscall.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// cleanMapping reads a line of proc_pid_maps(5): "FROM-TO PERMS OFFSET DEV INODE
// PATH". Only a mapping of the program that cannot be written is clean.
func cleanMapping(line, program string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || strings.Join(f[5:], " ") != program || !strings.HasPrefix(f[1], "r") || strings.Contains(f[1], "w") {
		return 0, 0, false
	}
	low, high, found := strings.Cut(f[0], "-")
	a, err1 := strconv.ParseUint(low, 16, strconv.IntSize)
	b, err2 := strconv.ParseUint(high, 16, strconv.IntSize)
	return uintptr(a), uintptr(b), found && err1 == nil && err2 == nil && a < b
}
