package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/cmd/internal/atomicfile"
	"github.com/fcgisup/fcgisup/units"
)

// recordRoot holds a record per app that apply has brought to its host.
const recordRoot = "/var/lib/fcgisup/apply"

// record is what apply remembers of an app. What systemd and the files tell is not in it.
type record struct {
	App string `json:"app"`
	// Config is the configuration that the app is in, empty for the system's.
	Config string    `json:"config,omitempty"`
	At     time.Time `json:"at"`
	// Pending is set while apply is at work: what follows has not all happened.
	Pending bool `json:"pending,omitempty"`
	// Files are the sums of what apply wrote, by place; two while it writes.
	Files map[string][]string `json:"files"`
	// Marks are of what runs.
	Marks marks `json:"marks"`
}

// marks are sums of what a running thing was started with, so that it is known
// which have to be started again, also after an apply that was interrupted.
type marks struct {
	Socket  string `json:"socket"`
	Service string `json:"service"`
	// Config is what a supervisor reads from the configuration by itself.
	Config string `json:"config"`
	Nginx  string `json:"nginx,omitempty"`
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// marksOf are those of an app as it is rendered.
func marksOf(app fcgisup.App, files []fcgisup.File) (marks, error) {
	var m marks
	var nginx []byte
	for _, f := range files {
		switch name := filepath.Base(f.Path); {
		case name == units.Names(app.Name).SocketTemplate():
			// The addresses are not in the template for TCP.
			m.Socket = sum([]byte(Directives(f.Data, "Socket") + app.Listen.String()))
		case name == units.Names(app.Name).ServiceTemplate():
			m.Service = sum([]byte(Directives(f.Data, "Service")))
		case strings.HasPrefix(f.Path, "nginx/"):
			nginx = append(nginx, f.Data...)
		}
	}
	if nginx != nil {
		m.Nginx = sum(nginx)
	}
	var err error
	m.Config, err = ConfigSum(app)
	return m, err
}

// ConfigSum is of what a supervisor reads from the configuration.
func ConfigSum(app fcgisup.App) (string, error) {
	// What follows is in the units and in nginx's files only.
	app.Description, app.Instances, app.Activation = "", 0, ""
	app.After, app.Wants, app.Requires = nil, nil, nil
	app.Hosts = nil
	app.Nginx, app.Systemd = fcgisup.Nginx{}, fcgisup.Systemd{}
	text, err := json.Marshal(app)
	if err != nil {
		return "", fmt.Errorf("internal error: %w", err)
	}
	return sum(text), nil
}

// Directives are a section's lines that mean something to systemd.
func Directives(data []byte, section string) string {
	var b strings.Builder
	in := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			in = line == "["+section+"]"
		case in:
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// wroteThis reports whether apply wrote this.
func (r *record) wroteThis(place string, data []byte) bool {
	return r != nil && slices.Contains(r.Files[place], sum(data))
}

func recordPath(dir, app string) string { return filepath.Join(dir, app+".json") }

// readRecord returns nil for an app that apply has never seen.
func readRecord(dir, app string) (*record, error) {
	path := recordPath(dir, app)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, term.Hinted(fmt.Errorf("cannot read what apply did: %w", err), "try as root")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read what apply did: %w", err)
	}
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil || r.App != app {
		return nil, term.Hinted(fmt.Errorf("cannot read what apply did: %s is not a record of %s: %w", path, app, err), "remove that file; files that differ then need --force")
	}
	return r, nil
}

// readRecords returns all, by app.
func readRecords(dir string) (map[string]*record, error) {
	paths, err := filepath.Glob(recordPath(dir, "*"))
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	all := map[string]*record{}
	for _, path := range paths {
		app := strings.TrimSuffix(filepath.Base(path), ".json")
		if all[app], err = readRecord(dir, app); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// save makes the record last; a nil one is removed.
func (r *record) save(dir, app string) error {
	err := os.MkdirAll(dir, 0o755)
	if err == nil && r == nil {
		if err = os.Remove(recordPath(dir, app)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else if err == nil {
		var text []byte
		if text, err = json.MarshalIndent(r, "", "  "); err == nil {
			err = atomicfile.Replace(recordPath(dir, app), append(text, '\n'), 0o600) // sums of secrets are secrets
		}
	}
	if err == nil {
		err = atomicfile.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("cannot record what apply does: %w", err)
	}
	return nil
}

// configsOf are the configuration files of the apps that are on this host.
func configsOf(records map[string]*record) (configs []string) {
	for _, r := range records {
		configs = append(configs, r.Config)
	}
	return configs
}
