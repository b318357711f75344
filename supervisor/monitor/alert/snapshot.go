package alert

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// snapshot is the part of a report that alerts depend on: a copy, since reports are large and change.
type snapshot struct {
	host string
	apps []appSnapshot
}

// empty reports whether no app of it is configured.
func (s snapshot) empty() bool {
	return !slices.ContainsFunc(s.apps, func(a appSnapshot) bool {
		return a.name != monitor.PageApp && a.name != monitor.ConfigApp && len(a.instances) > 0
	})
}

type appSnapshot struct {
	name, description string
	instances         []instanceSnapshot
}

type instanceSnapshot struct {
	number int
	health monitor.Health
	class  class
	// since is when its health became what it is.
	since time.Time
	// err is what went wrong last, in one line.
	err string
}

// class is what a health means to people.
type class int

const (
	// up answers, or starts with its first request.
	up class = iota
	// down starts an incident.
	down
	// stopped was stopped by an operator.
	stopped
	// unknown changes nothing.
	unknown
)

func classOf(in *monitor.Instance) class {
	switch in.Health {
	case monitor.Up, monitor.Asleep:
		return up
	case monitor.Stopped:
		return stopped
	case monitor.Down:
		return down
	case monitor.Unknown:
	}
	return unknown
}

func takeSnapshot(r *monitor.Report) snapshot {
	s := snapshot{host: r.Host, apps: make([]appSnapshot, len(r.Apps))}
	for i, a := range r.Apps {
		app := appSnapshot{name: a.Name, description: fcgisup.PrintableAtMost(a.Description, monitor.ForeignLimit), instances: make([]instanceSnapshot, 0, len(a.Instances))}
		for j := range a.Instances {
			if in := &a.Instances[j]; !in.Unconfigured {
				app.instances = append(app.instances, instanceSnapshot{number: in.Number, health: in.Health, class: classOf(in), since: in.Since, err: lastError(in)})
			}
		}
		s.apps[i] = app
	}
	if r.Page != nil {
		s.apps = append(s.apps, pageSnapshot(*r.Page))
	}
	s.apps = append(s.apps, configSnapshot(r))
	return s
}

// pageSnapshot represents the monitor's page as an app of one instance: receivers learn that page and
// metrics cannot be reached.
func pageSnapshot(p monitor.Page) appSnapshot {
	in := instanceSnapshot{number: 1, health: monitor.Up, since: p.Since}
	if p.Error != "" {
		in.health, in.class, in.err = monitor.Down, down, fcgisup.PrintableAtMost(p.Error, monitor.ForeignLimit)
	}
	return appSnapshot{name: monitor.PageApp, description: "status page and metrics at " + p.Address, instances: []instanceSnapshot{in}}
}

// configSnapshot represents the configuration as an app of one instance: until it is corrected, changes have no effect.
func configSnapshot(r *monitor.Report) appSnapshot {
	in := instanceSnapshot{number: 1, health: monitor.Up, since: r.At}
	if a := r.Accepted; a != nil {
		in = instanceSnapshot{number: 1, health: monitor.Down, class: down, since: a.Since, err: fcgisup.PrintableAtMost(a.Error, monitor.ForeignLimit)}
	}
	return appSnapshot{name: monitor.ConfigApp, description: "the configuration of fcgisup on this host", instances: []instanceSnapshot{in}}
}

// lastError returns why an instance is down. The output of its worker stays on the
// host: it may hold an application's secrets.
func lastError(in *monitor.Instance) string {
	if in.Health != monitor.Down {
		return ""
	}
	why := in.Why
	if in.Status != nil && in.Status.LastFailure != nil {
		if detail := in.Status.LastFailure.Detail; !strings.Contains(why, detail) {
			why = strings.TrimPrefix(why+"; last failure: "+detail, "; ")
		}
	}
	if why == "" {
		return "no reason is known"
	}
	return fcgisup.PrintableAtMost(why, monitor.ForeignLimit)
}

// instanceName returns the name of an instance, "rt@3".
func instanceName(app string, number int) string { return app + "@" + strconv.Itoa(number) }
