package fcgisup

import (
	"fmt"
	"strconv"
)

// ParseID reads the number of a user or group. What is not one is an error: a
// number that does not fit would become another account's, in the worst case
// root's, and the highest means "leave unchanged" to chown(2) and setresuid(2).
func ParseID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 1<<32-1 {
		return 0, fmt.Errorf("%q is not a user or group number between 0 and %d", text, uint32(1<<32-2))
	}
	return int(n), nil
}
