package units

import (
	"strings"
	"testing"

	"github.com/fcgisup/fcgisup"
)

// TestMonitorUnit: the configuration is named only if it is another than the one looked for anyway. That systemd
// takes the unit, and how it rates it, is shown where systemd is.
func TestMonitorUnit(t *testing.T) {
	for config, want := range map[string]string{
		"":                     "ExecStart=/usr/bin/fcgisup monitor\n",
		fcgisup.SystemConfig:   "ExecStart=/usr/bin/fcgisup monitor\n",
		"/etc/a file/50%.yaml": `ExecStart=/usr/bin/fcgisup monitor --config "/etc/a file/50%%.yaml"` + "\n",
	} {
		f := Monitor(Options{Config: config, Generator: "x"})
		if f.Path != MonitorUnit || !strings.Contains(string(f.Data), want) {
			t.Errorf("%s of %q:\n%s", f.Path, config, f.Data)
		}
	}
}
