package prefork

import (
	_ "embed" // the module
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

const (
	// moduleName is the module's, which perl(1) finds in a directory as moduleName.pm.
	moduleName = "FcgisupPrefork"
	// Descriptor is where the program finds the conversation: high enough that no shell script on the way uses it.
	Descriptor = 99
	envControl = "FCGISUP_PREFORK"
	envOptions = "PERL5OPT"
)

//go:embed FcgisupPrefork.pm
var module []byte

// Install writes the module into a directory, readable for the user of the workers.
func Install(dir string) error {
	f, err := os.CreateTemp(dir, moduleName)
	if err != nil {
		return fmt.Errorf("cannot write the Perl module: %w", err)
	}
	_, err = f.Write(module)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, moduleName+".pm"))
	}
	if err != nil {
		return fmt.Errorf("cannot write the Perl module: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Environment returns env with what has Perl load the module from a directory. Perl splits its options at blanks, and
// has no way to quote one.
func Environment(env []string, dir string) ([]string, error) {
	if strings.ContainsFunc(dir, unicode.IsSpace) {
		return nil, fmt.Errorf("cannot load the Perl module from %q: the path contains a blank", dir)
	}
	var all []string
	options := ""
	for _, kv := range env {
		switch k, v, _ := strings.Cut(kv, "="); k {
		case envOptions:
			options = v
		case envControl:
		default:
			all = append(all, kv)
		}
	}
	// Last, so that the module finds its own words at the end.
	options = strings.TrimLeft(options+" -I"+dir+" -M"+moduleName, " ")
	return append(all, envOptions+"="+options, fmt.Sprintf("%s=%d", envControl, Descriptor)), nil
}
