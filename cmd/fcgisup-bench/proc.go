package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usage is what some processes hold and have used, together.
type usage struct {
	rss, pss float64 // KiB
	cpu      float64 // seconds, of user and system
	switches float64 // voluntary, of all threads: how often they went to sleep, and so were woken
}

func usageOf(pids []int) usage {
	var sum usage
	for _, pid := range pids {
		memory := fields(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		sum.rss += memory["Rss"]
		sum.pss += memory["Pss"]
		sum.cpu += cpuSeconds(pid)
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, task := range tasks {
			sum.switches += fields(task)["voluntary_ctxt_switches"]
		}
	}
	return sum
}

// fields reads lines of the form "Key:  number …".
func fields(path string) map[string]float64 {
	text, err := readFile(path)
	if err != nil {
		return nil
	}
	found := map[string]float64{}
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(line, ":")
		words := strings.Fields(rest)
		if len(words) == 0 {
			continue
		}
		if n, err := strconv.ParseFloat(words[0], 64); err == nil {
			found[key] = n
		}
	}
	return found
}

// cpuSeconds is utime and stime of proc_pid_stat(5), in ticks of 10 ms.
func cpuSeconds(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(words) < 13 {
		return 0
	}
	ticks := 0.0
	for _, word := range words[11:13] {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return ticks / 100
}

func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	return string(text), err
}

func loadAverage() float64 {
	n, _ := strconv.ParseFloat(firstField("/proc/loadavg"), 64) // 0 where there is none
	return n
}
