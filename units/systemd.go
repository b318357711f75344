package units

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/fcgisup/fcgisup"
)

// ErrNoSystemd says that systemd is not this machine's init, sd_booted(3).
var ErrNoSystemd = errors.New("systemd does not run here")

// booted exists where systemd is the init.
const booted = "/run/systemd/system"

// Systemd is a connection to the system's systemd,
// org.freedesktop.systemd1(5). Its methods wait for the jobs that they begin,
// and may be called at the same time. A systemd that does not answer is an error
// after half a minute.
type Systemd struct {
	conn *dbus.Conn
	end  context.CancelFunc
}

// Connect reaches systemd: for root through its private socket, which works
// without a message bus, otherwise over the bus. The error wraps
// [ErrNoSystemd] where there is none. The connection lives until [Systemd.Close].
func Connect(ctx context.Context) (*Systemd, error) {
	if _, err := os.Lstat(booted); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSystemd
	}
	var failures []error
	if os.Geteuid() == 0 {
		s, err := connect(ctx, dbus.NewSystemdConnectionContext)
		if err == nil {
			return s, nil
		}
		failures = append(failures, err)
	}
	s, err := connect(ctx, dbus.NewSystemConnectionContext)
	if err != nil {
		return nil, fmt.Errorf("cannot reach systemd: %w", errors.Join(append(failures, err)...))
	}
	return s, nil
}

// Close ends the connection.
func (s *Systemd) Close() {
	s.conn.Close()
	s.end()
}

// State is what systemd says of a unit that it has loaded.
type State struct {
	Name string
	// Active is ActiveState: active, reloading, inactive, failed, activating or deactivating.
	Active string
	// Sub is finer, and depends on the unit's type.
	Sub string
}

// Up reports whether the unit runs or is about to.
func (s State) Up() bool {
	return s.Active == "active" || s.Active == "activating" || s.Active == "reloading"
}

// Gone reports whether nothing of the unit runs.
func (s State) Gone() bool { return s.Active == "inactive" || s.Active == "failed" }

// List returns the loaded units whose names match a pattern of glob(7).
func (s *Systemd) List(ctx context.Context, patterns ...string) ([]State, error) {
	all, err := ask(ctx, func(ctx context.Context) ([]dbus.UnitStatus, error) {
		return s.conn.ListUnitsByPatternsContext(ctx, nil, patterns)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list units: %w", err)
	}
	states := make([]State, len(all))
	for i, u := range all {
		states[i] = State{u.Name, u.ActiveState, u.SubState}
	}
	return states, nil
}

// Enabled reports whether the unit file has the links of its [Install] section;
// one that does not exist has none.
func (s *Systemd) Enabled(ctx context.Context, unit string) (bool, error) {
	files, err := ask(ctx, func(ctx context.Context) ([]dbus.UnitFile, error) {
		return s.conn.ListUnitFilesByPatternsContext(ctx, nil, []string{unit})
	})
	if err != nil {
		return false, fmt.Errorf("cannot look whether %s is enabled: %w", unit, err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Type, "enabled") {
			return true, nil
		}
	}
	return false, nil
}

// Enable makes the links of the [Install] section; [Systemd.Reload] makes systemd know them.
func (s *Systemd) Enable(ctx context.Context, units ...string) error {
	if _, err := ask(ctx, func(ctx context.Context) (_ bool, err error) {
		_, _, err = s.conn.EnableUnitFilesContext(ctx, units, false, false)
		return false, err
	}); err != nil {
		return fmt.Errorf("cannot enable %s: %w", strings.Join(units, " "), err)
	}
	return nil
}

// Disable removes the links; none is not an error.
func (s *Systemd) Disable(ctx context.Context, units ...string) error {
	if _, err := ask(ctx, func(ctx context.Context) ([]dbus.DisableUnitFileChange, error) {
		return s.conn.DisableUnitFilesContext(ctx, units, false)
	}); err != nil {
		return fmt.Errorf("cannot disable %s: %w", strings.Join(units, " "), err)
	}
	return nil
}

// Reload makes systemd read all unit files again: daemon-reload.
func (s *Systemd) Reload(ctx context.Context) error {
	if _, err := askWithin(ctx, reloadTimeout, func(ctx context.Context) (bool, error) { return false, s.conn.ReloadContext(ctx) }); err != nil {
		return fmt.Errorf("cannot reload systemd: %w", err)
	}
	return nil
}

// ResetFailed forgets that a unit has failed; one that is not loaded has not.
func (s *Systemd) ResetFailed(ctx context.Context, unit string) {
	// The only errors are of units that systemd does not know, or of a connection whose next call fails as well.
	_, _ = ask(ctx, func(ctx context.Context) (bool, error) { return false, s.conn.ResetFailedUnitContext(ctx, unit) })
}

// MainPID is the process of a service, 0 without one.
func (s *Systemd) MainPID(ctx context.Context, service string) (int, error) {
	p, err := ask(ctx, func(ctx context.Context) (*dbus.Property, error) {
		return s.conn.GetServicePropertyContext(ctx, service, "MainPID")
	})
	if err != nil {
		return 0, fmt.Errorf("cannot ask for the process of %s: %w", service, err)
	}
	pid, ok := p.Value.Value().(uint32)
	if !ok {
		return 0, fmt.Errorf("cannot ask for the process of %s: systemd answers %v", service, p.Value)
	}
	return int(pid), nil
}

// Skipped reports whether the last start of a unit did nothing, as a Condition of the unit was not met.
func (s *Systemd) Skipped(ctx context.Context, unit string) (bool, error) {
	p, err := s.properties(ctx, unit)
	if err != nil {
		return false, err
	}
	met, _ := p["ConditionResult"].(bool)
	at, _ := p["ConditionTimestamp"].(uint64)
	return !met && at != 0, nil
}

// Began is when the main process of a service was started, zero without one.
func (s *Systemd) Began(ctx context.Context, service string) (time.Time, error) {
	p, err := ask(ctx, func(ctx context.Context) (*dbus.Property, error) {
		return s.conn.GetServicePropertyContext(ctx, service, "ExecMainStartTimestamp")
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask when %s began: %w", service, err)
	}
	µs, ok := p.Value.Value().(uint64)
	if !ok {
		return time.Time{}, fmt.Errorf("cannot ask when %s began: systemd answers %v", service, p.Value)
	}
	if µs == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(int64(µs)), nil
}

// Listening is where a socket unit listens for streams.
func (s *Systemd) Listening(ctx context.Context, socket string) ([]fcgisup.Address, error) {
	p, err := ask(ctx, func(ctx context.Context) (*dbus.Property, error) {
		return s.conn.GetUnitTypePropertyContext(ctx, socket, "Socket", "Listen")
	})
	if err != nil {
		return nil, fmt.Errorf("cannot ask where %s listens: %w", socket, err)
	}
	var pairs [][]any
	if err := p.Value.Store(&pairs); err != nil {
		return nil, fmt.Errorf("cannot ask where %s listens: %w", socket, err)
	}
	var all []fcgisup.Address
	for _, pair := range pairs {
		if len(pair) != 2 || pair[0] != "Stream" {
			continue
		}
		text, _ := pair[1].(string)
		if a, err := fcgisup.ParseAddress(text); err == nil {
			all = append(all, a)
		}
	}
	return all, nil
}

// Result is why a unit of a type ("Socket", "Service") has failed, in systemd's word; "success" if it has not.
func (s *Systemd) Result(ctx context.Context, unit, kind string) (string, error) {
	p, err := ask(ctx, func(ctx context.Context) (*dbus.Property, error) {
		return s.conn.GetUnitTypePropertyContext(ctx, unit, kind, "Result")
	})
	if err != nil {
		return "", fmt.Errorf("cannot ask for the result of %s: %w", unit, err)
	}
	result, _ := p.Value.Value().(string)
	return result, nil
}

// Service is what systemd says of a service and its main process.
type Service struct {
	State
	// Result is that of the last run, or of the last start.
	Result string
	// PID and Began are of the main process; 0 without one.
	PID   int
	Began time.Time
	// Restarts counts automatic ones, since the service was last started otherwise.
	Restarts uint32
	// Exit is the exit code, or the signal, that its main process ended with last.
	Exit int
	// MissingMounts are its directives that name a path which must be there and is not.
	MissingMounts []string
}

// exitNames are the exit codes with which systemd itself gives up a start,
// systemd.exec(5) "Process exit codes".
var exitNames = map[int]string{
	200: "CHDIR", 202: "FDS", 203: "EXEC", 205: "LIMITS", 206: "OOM_ADJUST", 208: "STDIN", 209: "STDOUT", 210: "CHROOT", 214: "SETSCHEDULER",
	215: "CPUAFFINITY", 216: "GROUP", 217: "USER", 218: "CAPABILITIES", 219: "CGROUP", 221: "CONFIRM", 222: "STDERR", 224: "PAM", 225: "NETWORK",
	226: "NAMESPACE", 227: "NO_NEW_PRIVILEGES", 228: "SECCOMP", 229: "SELINUX_CONTEXT", 230: "PERSONALITY", 231: "APPARMOR_PROFILE",
	232: "ADDRESS_FAMILIES", 233: "RUNTIME_DIRECTORY", 235: "CHOWN", 236: "SMACK_PROCESS_LABEL", 237: "KEYRING", 238: "STATE_DIRECTORY",
	239: "CACHE_DIRECTORY", 240: "LOGS_DIRECTORY", 241: "CONFIGURATION_DIRECTORY", 242: "NUMA_POLICY", 243: "CREDENTIALS", 245: "BPF",
}

// Ending is how a service ended, from its Result and its exit code: "timeout", "exit code 226/NAMESPACE".
func Ending(result string, exit int) string {
	if result != "exit-code" {
		return result
	}
	if name := exitNames[exit]; name != "" {
		return fmt.Sprintf("exit code %d/%s", exit, name)
	}
	return fmt.Sprintf("exit code %d", exit)
}

// Service asks for a service; one that is not loaded is inactive.
func (s *Systemd) Service(ctx context.Context, service string) (Service, error) {
	all, err := ask(ctx, func(ctx context.Context) (map[string]any, error) { return s.conn.GetAllPropertiesContext(ctx, service) })
	if err != nil {
		return Service{}, fmt.Errorf("cannot ask for %s: %w", service, err)
	}
	found := Service{State: State{Name: service}}
	found.Active, _ = all["ActiveState"].(string)
	found.Sub, _ = all["SubState"].(string)
	found.Result, _ = all["Result"].(string)
	found.Restarts, _ = all["NRestarts"].(uint32)
	exit, _ := all["ExecMainStatus"].(int32)
	found.Exit = int(exit)
	pid, _ := all["MainPID"].(uint32)
	found.PID = int(pid)
	if µs, _ := all["ExecMainStartTimestamp"].(uint64); µs != 0 {
		found.Began = time.UnixMicro(int64(µs))
	}
	found.MissingMounts = missingMounts(all)
	return found, nil
}
