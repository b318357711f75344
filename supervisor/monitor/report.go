package monitor

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// Health is what an instance is to those who depend on it: the literal in JSON,
// labels and alerts.
type Health string

// The healths. Only Down is bad news; Unknown is not news.
const (
	// Up answers, or would: saturated and starting instances are up as well.
	Up Health = "up"
	// Asleep has no worker and wakes with its first request.
	Asleep Health = "asleep"
	// Down does not answer, answers wrong, or has a socket that cannot be connected to.
	Down Health = "down"
	// Stopped was taken down by the operator, cleanly.
	Stopped Health = "stopped"
	// Unknown could not be learned; Why says why not.
	Unknown Health = "unknown"
)

// Healths are all of them.
var Healths = []Health{Up, Asleep, Down, Stopped, Unknown}

// Report is a host at one time.
type Report struct {
	Host    string    `json:"host"`
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	Apps    []App     `json:"apps"`
	// ConfigError is why the last reading of the configuration changed nothing.
	ConfigError string `json:"config_error,omitempty"`
	// Accepted is set while the monitor uses the last accepted configuration since its start.
	Accepted *Accepted `json:"accepted,omitempty"`
	// Page is how it is with the monitor's own page; nil if it is not known.
	Page *Page `json:"page,omitempty"`
}

// ConfigApp names the configuration among apps, in alerts.
const ConfigApp = "fcgisup-configuration"

// Accepted is how it is with the configuration of a monitor that began with the last accepted one.
type Accepted struct {
	// Error is what is wrong with the configuration.
	Error string    `json:"error"`
	Since time.Time `json:"since"`
}

// PageApp names the monitor among apps, in alerts.
const PageApp = "fcgisup-monitor"

// Page is what listens for those who read reports.
type Page struct {
	Address string `json:"address"`
	// Error is why it cannot be reached, empty if it can.
	Error string    `json:"error,omitempty"`
	Since time.Time `json:"since"`
}

// App is an app of the configuration with all its instances, by number.
type App struct {
	Name        string `json:"app"`
	Description string `json:"description,omitempty"`
	// Supervised is false for the plain form, in which systemd runs the program itself.
	Supervised bool       `json:"supervised"`
	Instances  []Instance `json:"instances"`
}

// Instance is one instance.
type Instance struct {
	App     string `json:"app"`
	Number  int    `json:"instance"`
	Address string `json:"address"`
	Health  Health `json:"health"`
	// Why is the reason in one line, empty for what is up or asleep.
	Why string `json:"why,omitempty"`
	// Since is the last change of Health that the monitor has seen.
	Since time.Time `json:"since"`
	// Checked is when it was last looked at.
	Checked time.Time `json:"checked"`
	// Unconfigured runs without being in the configuration. It raises no alert.
	Unconfigured bool `json:"unconfigured,omitempty"`
	// Intended tells that an operator's command explains the present state, or a
	// change of it under way: stop, restart, reload, apply. It raises no alert;
	// what is down never is intended.
	Intended bool `json:"intended,omitempty"`
	// Status is what its supervisor says; nil while none runs, and for plain instances.
	Status *control.Status `json:"status,omitempty"`
	// Probe is the monitor's own probe, of plain instances only.
	Probe *control.ProbeStatus `json:"probe,omitempty"`
	// Restarts counts how often the monitor restarted a plain instance.
	Restarts uint64 `json:"restarts,omitempty"`
	// SocketUnit and ServiceUnit are ActiveState/SubState of systemd, empty without it.
	SocketUnit  string `json:"socket_unit,omitempty"`
	ServiceUnit string `json:"service_unit,omitempty"`
	// History is its last 24 hours, oldest first, without gaps.
	History []Span `json:"history,omitempty"`
}

// Span is a time during which the health of an instance was one.
type Span struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Health Health    `json:"health"`
}
