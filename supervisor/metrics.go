package supervisor

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector shows the supervisor's snapshot as metrics. All label values are
// closed sets, written at zero, so that a rate never begins in the middle.
func (s *Supervisor) Collector() prometheus.Collector { return collector{s.Snapshot} }

type collector struct{ snapshot func() []Status }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fcgisup_"+name, help, append([]string{"app", "instance"}, labels...), nil)
}

var (
	descState    = desc("instance_state", "1 for the state that the instance is in, 0 for the others.", "state")
	descWorkers  = desc("workers", "Worker slots by state.", "state")
	descRestarts = desc("worker_restarts_total", "Workers that ended, by cause.", "cause")
	descQueue    = desc("queue_length", "Connections that wait to be accepted.")
	descCapacity = desc("queue_capacity", "Connections that may wait to be accepted.")
	descProbe    = desc("probe_failures_total", "Probes that failed, by class.", "class")
	descProbeUp  = desc("probe_success", "1 if the last probe was good or excused.")
	descRefused  = desc("refused_total", "Requests answered 503 because no worker could live.")
	descCut      = desc("cut_total", "Workers stopped at stop_timeout with a connection still open.")
	descConfig   = desc("config_last_reload_successful", "0 if the last reload changed nothing because of an error.")
)

// Describe is prometheus.Collector's.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descState, descWorkers, descRestarts, descQueue, descCapacity, descProbe, descProbeUp, descRefused, descCut, descConfig} {
		ch <- d
	}
}

// Collect is prometheus.Collector's.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, st := range c.snapshot() {
		collect(st, ch)
	}
}

func collect(st Status, ch chan<- prometheus.Metric) {
	number := strconv.Itoa(st.Instance)
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, append([]string{st.App, number}, labels...)...)
	}
	for _, s := range InstanceStates {
		send(descState, prometheus.GaugeValue, oneIf(s == st.State), string(s))
	}
	byState := map[State]int{}
	for _, w := range st.Workers {
		byState[w.State]++
	}
	for _, s := range States {
		send(descWorkers, prometheus.GaugeValue, float64(byState[s]), string(s))
	}
	for _, cause := range Causes {
		send(descRestarts, prometheus.CounterValue, float64(st.Restarts[cause]), string(cause))
	}
	if st.Queue != nil {
		send(descQueue, prometheus.GaugeValue, float64(*st.Queue))
	}
	if st.Backlog != nil {
		send(descCapacity, prometheus.GaugeValue, float64(*st.Backlog))
	}
	for _, class := range ProbeClasses {
		send(descProbe, prometheus.CounterValue, float64(st.ProbeFailures[class]), class)
	}
	if st.Probe != nil {
		send(descProbeUp, prometheus.GaugeValue, oneIf(st.Probe.OK))
	}
	send(descRefused, prometheus.CounterValue, float64(st.Refused))
	send(descCut, prometheus.CounterValue, float64(st.Cut))
	send(descConfig, prometheus.GaugeValue, oneIf(st.ConfigError == ""))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
