package e2e

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// manager is a box's systemd over its message bus: the private socket refuses clients of other process namespaces. What tests
// wait for is asked here, because systemctl(1) costs two processes each time.
type manager struct {
	address string

	mu   sync.Mutex
	conn *dbus.Conn
}

const systemdName = "org.freedesktop.systemd1"

func (m *manager) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		_ = m.conn.Close()
		m.conn = nil
	}
}

func (m *manager) connection() (*dbus.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil && m.conn.Connected() {
		return m.conn, nil
	}
	conn, err := dbus.Dial("unix:path=" + m.address)
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := conn.Hello(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	m.conn = conn
	return conn, nil
}

// call asks once more if the connection has ended.
func (m *manager) call(object, method string, result any, args ...any) error {
	for again := true; ; again = false {
		conn, err := m.connection()
		if err != nil {
			return err
		}
		err = conn.Object(systemdName, dbus.ObjectPath(object)).Call(method, 0, args...).Store(result)
		if !again || !errors.Is(err, dbus.ErrClosed) {
			return err
		}
		m.close()
	}
}

// property is a unit's as systemctl show --value prints it.
func (m *manager) property(unit, name string) (string, error) {
	object := "/org/freedesktop/systemd1/unit/" + busLabel(unit)
	kind := strings.TrimPrefix(path.Ext(unit), ".")
	var value dbus.Variant
	var failed error
	for _, of := range []string{"Unit", strings.ToUpper(kind[:1]) + kind[1:]} {
		err := m.call(object, "org.freedesktop.DBus.Properties.Get", &value, systemdName+"."+of, name)
		if err == nil {
			return shown(value.Value())
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}

func shown(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v], nil
	case uint64:
		if v == math.MaxUint64 {
			return "infinity", nil
		}
		return fmt.Sprint(v), nil
	case int32, uint32, int64:
		return fmt.Sprint(v), nil
	case [][]any: // Listen
		var all []string
		for _, one := range v {
			if len(one) != 2 {
				return "", fmt.Errorf("cannot show %v", v)
			}
			all = append(all, fmt.Sprintf("%v (%v)", one[1], one[0]))
		}
		return strings.Join(all, "\n"), nil
	default:
		return "", fmt.Errorf("cannot show %T %[1]v", value)
	}
}

// busLabel escapes a unit's name for an object path, as sd_bus_path_encode(3).
func busLabel(name string) string {
	var label strings.Builder
	for i, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0 {
			label.WriteByte(c)
		} else {
			fmt.Fprintf(&label, "_%02x", c)
		}
	}
	return label.String()
}

// unitState is what ListUnitsByPatterns of org.freedesktop.systemd1(5) gives.
type unitState struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	Job                                             uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}

// list is what systemctl list-units --all has of those that match the pattern and have one of the states, if there are any.
func (m *manager) list(pattern string, states ...string) ([]unitState, error) {
	var all []unitState
	err := m.call("/org/freedesktop/systemd1", systemdName+".Manager.ListUnitsByPatterns", &all, append([]string{}, states...), []string{pattern})
	slices.SortFunc(all, func(a, b unitState) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// property is one property of a unit, as systemctl show gives it. A box whose bus a test has stopped still has systemctl.
func (b *box) property(t *testing.T, unit, name string) string {
	t.Helper()
	value, err := b.systemd.property(unit, name)
	if err != nil {
		value = strings.TrimSpace(b.run(t, "systemctl", "show", "--value", "-p", name, unit))
	}
	return value
}

// units are those in memory that match a pattern and have one of the states, if there are any.
func (b *box) units(t *testing.T, pattern string, states ...string) []unitState {
	t.Helper()
	all, err := b.systemd.list(pattern, states...)
	if err == nil {
		return all
	}
	all = nil
	argv := []string{"systemctl", "list-units", "--all", "--plain", "--no-legend", pattern}
	if len(states) > 0 {
		argv = append(argv, "--state="+strings.Join(states, ","))
	}
	for line := range strings.Lines(b.run(t, argv...)) {
		if f := strings.Fields(line); len(f) >= 4 {
			all = append(all, unitState{Name: f[0], Load: f[1], Active: f[2], Sub: f[3]})
		}
	}
	return all
}

// running lists the units of a pattern that are active or on their way.
func (b *box) running(t *testing.T, pattern string) []string {
	t.Helper()
	return b.unitsOf(t, pattern, "active", "activating", "reloading", "deactivating")
}

func (b *box) unitsOf(t *testing.T, pattern string, states ...string) (names []string) {
	t.Helper()
	for _, u := range b.units(t, pattern, states...) {
		names = append(names, u.Name)
	}
	return names
}
