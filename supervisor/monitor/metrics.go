package monitor

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fcgisup/fcgisup/supervisor"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

var (
	descHealth   = prometheus.NewDesc("fcgisup_instance_health", "1 for the health of the instance as the monitor sees it, 0 for the others.", []string{"app", "instance", "health"}, nil)
	descPlain    = prometheus.NewDesc("fcgisup_monitor_restarts_total", "How often the monitor restarted an unhealthy plain instance.", []string{"app", "instance"}, nil)
	descPlainUp  = prometheus.NewDesc("fcgisup_monitor_probe_success", "1 if the monitor's last probe of a plain instance was good or excused.", []string{"app", "instance"}, nil)
	descRounds   = prometheus.NewDesc("fcgisup_monitor_rounds_total", "Looks at all instances.", nil, nil)
	descReported = prometheus.NewDesc("fcgisup_monitor_last_report_timestamp_seconds", "When the last report was made.", nil, nil)
	descMute     = prometheus.NewDesc("fcgisup_monitor_unanswered_total", "Questions that a supervisor did not answer.", nil, nil)
	descUnits    = prometheus.NewDesc("fcgisup_monitor_systemd_errors_total", "Questions that systemd did not answer.", nil, nil)
	descUnsaved  = prometheus.NewDesc("fcgisup_monitor_history_errors_total", "Attempts to save the history that failed.", nil, nil)
	descConfig   = prometheus.NewDesc("fcgisup_monitor_config_last_reload_successful", "0 if the last reload changed nothing because of an error.", nil, nil)
)

// Collector shows the newest report as metrics: those of every supervisor, and
// the monitor's own. A sleeping instance has them at zero, as it will when it wakes.
func (m *Monitor) Collector() prometheus.Collector {
	return collector{m, supervisor.NewCollector(m.statuses)}
}

type collector struct {
	*Monitor
	instances prometheus.Collector
}

// statuses are those of all instances that have, or will have, a supervisor.
func (m *Monitor) statuses() []control.Status {
	var all []control.Status
	report, _ := m.feed.Latest()
	if report == nil {
		return nil
	}
	for _, app := range report.Apps {
		for _, i := range app.Instances {
			switch {
			case i.Status != nil:
				all = append(all, *i.Status)
			case app.Supervised && i.Health == Asleep:
				all = append(all, control.Status{App: i.App, Instance: i.Number, Address: i.Address, State: control.Sleeping})
			}
		}
	}
	return all
}

// Describe is prometheus.Collector's.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	c.instances.Describe(ch)
	for _, d := range []*prometheus.Desc{descHealth, descPlain, descPlainUp, descRounds, descReported, descMute, descUnits, descUnsaved, descConfig} {
		ch <- d
	}
}

// Collect is prometheus.Collector's.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.instances.Collect(ch)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count(descRounds, c.counts.rounds.Load())
	count(descMute, c.counts.unanswered.Load())
	count(descUnits, c.counts.unitErrors.Load())
	count(descUnsaved, c.counts.saveErrors.Load())
	report, _ := c.feed.Latest()
	if report == nil {
		return
	}
	gauge(descReported, float64(report.At.UnixMilli())/1000)
	gauge(descConfig, oneIf(report.ConfigError == ""))
	for _, app := range report.Apps {
		for _, i := range app.Instances {
			number := strconv.Itoa(i.Number)
			for _, h := range Healths {
				gauge(descHealth, oneIf(h == i.Health), i.App, number, string(h))
			}
			if app.Supervised {
				continue
			}
			count(descPlain, i.Restarts, i.App, number)
			if i.Probe != nil {
				gauge(descPlainUp, oneIf(i.Probe.OK), i.App, number)
			}
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
