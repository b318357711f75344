// Command tools writes what a release holds beside packages: an image without a base as an OCI archive, and a list of the
// libraries in the program. It is a module of its own, so that its libraries are not those of fcgisup.
//
//	tools image VERSION OUT ARCH=BINARY...
//	tools sbom VERSION BINARY
//	tools same PACKAGE...
//	tools program IMAGE ARCH=BINARY...
//	tools picture light|dark COMMAND UNTIL
//
// same compares the files of packages of different formats, program those of an image with the binaries. picture
// draws what a command printed on a terminal, from standard input up to a line that begins with UNTIL, as SVG. The others write the same bytes for the same input: the only time is $SOURCE_DATE_EPOCH.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tools:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 2 && args[0] == "same":
		return samePackages(os.Stdout, args[1:])
	case len(args) > 2 && args[0] == "program":
		return sameProgram(args[1], args[2:])
	case len(args) == 4 && args[0] == "picture":
		output, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		return drawTerminal(os.Stdout, args[1], args[2], string(output), args[3])
	}
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	at := time.Unix(epoch, 0).UTC()
	switch {
	case len(args) > 3 && args[0] == "image":
		return writeImage(args[1], args[2], args[3:], at)
	case len(args) == 3 && args[0] == "sbom":
		return writeSBOM(os.Stdout, args[1], args[2], at)
	default:
		return fmt.Errorf("usage: tools image VERSION OUT ARCH=BINARY... | tools sbom VERSION BINARY | tools same PACKAGE... | tools program IMAGE ARCH=BINARY... | tools picture light|dark COMMAND UNTIL")
	}
}
