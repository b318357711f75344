package alert

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// sight is the part of a report that alerts hang on: a copy, since reports are large and live on.
type sight struct {
	host string
	apps []appSight
}

// empty tells that nothing of it is configured.
func (s sight) empty() bool {
	return !slices.ContainsFunc(s.apps, func(a appSight) bool {
		return a.name != monitor.PageApp && a.name != monitor.ConfigApp && len(a.instances) > 0
	})
}

type appSight struct {
	name, description string
	instances         []instanceSight
}

type instanceSight struct {
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
	// fine answers, or wakes with its first request.
	fine class = iota
	// bad is bad news.
	bad
	// stopped was taken down by the operator.
	stopped
	// unknown is not news.
	unknown
)

func classOf(in *monitor.Instance) class {
	switch in.Health {
	case monitor.Up, monitor.Asleep:
		return fine
	case monitor.Stopped:
		return stopped
	case monitor.Down:
		return bad
	case monitor.Unknown:
	}
	return unknown
}

func look(r *monitor.Report) sight {
	s := sight{host: r.Host, apps: make([]appSight, len(r.Apps))}
	for i, a := range r.Apps {
		app := appSight{name: a.Name, description: fcgisup.PrintableAtMost(a.Description, monitor.ForeignLimit), instances: make([]instanceSight, 0, len(a.Instances))}
		for j := range a.Instances {
			if in := &a.Instances[j]; !in.Unconfigured {
				app.instances = append(app.instances, instanceSight{number: in.Number, health: in.Health, class: classOf(in), since: in.Since, err: lastError(in)})
			}
		}
		s.apps[i] = app
	}
	if r.Page != nil {
		s.apps = append(s.apps, pageSight(*r.Page))
	}
	s.apps = append(s.apps, configSight(r))
	return s
}

// pageSight has the monitor be an app of one instance: who relies on its page or
// metrics hears that they cannot be had.
func pageSight(p monitor.Page) appSight {
	in := instanceSight{number: 1, health: monitor.Up, since: p.Since}
	if p.Error != "" {
		in.health, in.class, in.err = monitor.Down, bad, fcgisup.PrintableAtMost(p.Error, monitor.ForeignLimit)
	}
	return appSight{name: monitor.PageApp, description: "status page and metrics at " + p.Address, instances: []instanceSight{in}}
}

// configSight has the configuration be an app of one instance: until it is corrected, changes have no effect.
func configSight(r *monitor.Report) appSight {
	in := instanceSight{number: 1, health: monitor.Up, since: r.At}
	if a := r.Accepted; a != nil {
		in = instanceSight{number: 1, health: monitor.Down, class: bad, since: a.Since, err: fcgisup.PrintableAtMost(a.Error, monitor.ForeignLimit)}
	}
	return appSight{name: monitor.ConfigApp, description: "the configuration of fcgisup on this host", instances: []instanceSight{in}}
}

// lastError is why an instance is down. What its worker printed stays on the
// host: no notification service needs to know an application's secrets.
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

// instanceName is what people call an instance.
func instanceName(app string, number int) string { return app + "@" + strconv.Itoa(number) }
