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

// LocalConfig is looked for in the current folder.
const LocalConfig = "fcgisup.yaml"

// MaxConfigSize bounds a configuration file, in bytes.
const MaxConfigSize = 1 << 20

// ErrNoConfig says that no configuration was named and none was found.
var ErrNoConfig = errors.New("no configuration: neither ./" + LocalConfig + " nor " + SystemConfig + " exists")

// Find says which configuration file applies: explicit (--config), then
// $FCGISUP_CONFIG, then ./fcgisup.yaml, then /etc/fcgisup/fcgisup.yaml. The
// first two need not exist; when the others do not, the error is [ErrNoConfig]. A
// working folder that may not be searched holds none for us.
func Find(explicit string, getenv func(string) string) (string, error) {
	if explicit != "" {
		return explicit, nil
	}
	if p := getenv(EnvConfig); p != "" {
		return p, nil
	}
	for _, p := range []string{LocalConfig, SystemConfig} {
		_, err := os.Stat(p)
		if err == nil {
			return p, nil
		}
		denied := p == LocalConfig && errors.Is(err, fs.ErrPermission)
		if !denied && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot look for the configuration: %w", err)
		}
	}
	return "", ErrNoConfig
}

// Load reads and checks a configuration file. What is wrong inside the file
// comes back as [Errors].
func Load(path string) (*Config, error) {
	// A pipe that nobody writes to must not hold us up: it is empty.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxConfigSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return Parse(path, data)
}
