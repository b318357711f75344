package deploy

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/units"
)

// MakerOf is the app whose unit a file is, empty if gen did not make it.
func MakerOf(file string) string {
	data, err := ReadRegular(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	words := strings.Fields(strings.TrimPrefix(line, units.Header))
	if !strings.HasPrefix(line, units.Header+"fcgisup gen ") || len(words) < 3 {
		return ""
	}
	return words[2]
}

// ReadRegular reads a file of an app's user, who may put a pipe, a device or a link to one there: it neither waits nor
// reads more than a configuration may hold.
func ReadRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, fmt.Errorf("%s is not a regular file", path))
	}
	return io.ReadAll(io.LimitReader(f, fcgisup.MaxConfigSize))
}
