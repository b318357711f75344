package supervisor

import (
	"bytes"
	"os"
	"strconv"
)

// tooPressed is the share of time, in percent over 10 s, in which some process
// waited for memory, above which no worker is added.
const tooPressed = 10

// pressed reads a PSI file (Documentation/accounting/psi.rst in the kernel's
// source). Where there is none, nothing is known of pressure, and growth goes on.
func pressed(path string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	avg, ok := parsePressure(data)
	return ok && avg > tooPressed
}

// parsePressure finds avg10 in the line "some avg10=1.23 avg60=…".
func parsePressure(data []byte) (avg10 float64, ok bool) {
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) < 2 || string(fields[0]) != "some" {
			continue
		}
		text, found := bytes.CutPrefix(fields[1], []byte("avg10="))
		v, err := strconv.ParseFloat(string(text), 64)
		return v, found && err == nil
	}
	return 0, false
}
