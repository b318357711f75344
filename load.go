package fcgisup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// EnvConfig names the environment variable that holds the configuration's path.
const EnvConfig = "FCGISUP_CONFIG"

// SystemConfig is where the package and the generated units keep the configuration.
const SystemConfig = "/etc/fcgisup/fcgisup.yaml"

// LocalConfig is looked for in the working directory.
const LocalConfig = "fcgisup.yaml"

// MaxConfigSize bounds a configuration file, in bytes.
const MaxConfigSize = 1 << 20

// ErrNoConfig says that no configuration was named and none was found.
var ErrNoConfig = errors.New("no configuration: neither ./" + LocalConfig + " nor " + SystemConfig + " exists")

// UntrustedError says that ./fcgisup.yaml is not read: another user than root
// could have written it.
type UntrustedError struct {
	Cause error
}

func (e *UntrustedError) Error() string {
	return "./" + LocalConfig + " is not read as root: " + e.Cause.Error()
}

func (e *UntrustedError) Unwrap() error { return e.Cause }

// Find returns which configuration file applies: explicit (--config), then
// $FCGISUP_CONFIG, then ./fcgisup.yaml, then /etc/fcgisup/fcgisup.yaml. The
// first two need not exist; when the others do not, the error is [ErrNoConfig]. A
// working directory that may not be searched is skipped. For root, so is a
// ./fcgisup.yaml that another user can change: skipped says why, and is the
// error if there is no other configuration.
func Find(explicit string, getenv func(string) string) (path string, skipped *UntrustedError, err error) {
	return find(explicit, getenv, os.Geteuid())
}

func find(explicit string, getenv func(string) string, uid int) (path string, skipped *UntrustedError, err error) {
	if explicit != "" {
		return explicit, nil, nil
	}
	if p := getenv(EnvConfig); p != "" {
		return p, nil, nil
	}
	for _, p := range []string{LocalConfig, SystemConfig} {
		_, err := os.Stat(p)
		local := p == LocalConfig
		switch {
		case err == nil && local && uid == 0:
			cause := CheckTrust(p, uid)
			if cause == nil {
				return p, nil, nil
			}
			skipped = &UntrustedError{cause}
		case err == nil:
			return p, skipped, nil
		case local && errors.Is(err, fs.ErrPermission):
		case !errors.Is(err, fs.ErrNotExist):
			return "", skipped, fmt.Errorf("cannot look for the configuration: %w", err)
		}
	}
	if skipped != nil {
		return "", skipped, skipped
	}
	return "", nil, ErrNoConfig
}

// Load reads and checks a configuration file. What is wrong inside the file
// comes back as [Errors]. See [Parse] for variables.
func Load(path string, variables ...Variables) (*Config, error) {
	// A pipe without a writer must not block: it is empty.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxConfigSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return Parse(path, data, variables...)
}
