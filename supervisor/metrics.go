package supervisor

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
)

// Collector shows the supervisor's snapshot as metrics. All label values are
// closed sets, written at zero, so that a rate never begins in the middle.
func (s *Supervisor) Collector() prometheus.Collector {
	return NewCollector(func() []control.Status {
		ctx, cancel := context.WithTimeout(context.Background(), control.LookTimeout)
		defer cancel()
		return s.Look(ctx, 0)
	})
}

// NewCollector shows instances from anywhere as metrics, see [Supervisor.Collector].
func NewCollector(snapshot func() []control.Status) prometheus.Collector { return collector{snapshot} }

type collector struct{ snapshot func() []control.Status }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fcgisup_"+name, help, append([]string{"app", "instance"}, labels...), nil)
}

var (
	descState    = desc("instance_state", "1 for the state that the instance is in, 0 for the others.", "state")
	descWorkers  = desc("workers", "Worker slots by state.", "state")
	descRestarts = desc("worker_restarts_total", "Workers that were replaced after a failure, by cause.", "cause")
	descExits    = desc("worker_exits_total", "Workers that ended, by cause.", "cause")
	descQueue    = desc("queue_length", "Connections that wait to be accepted.")
	descCapacity = desc("queue_capacity", "Connections that may wait to be accepted while the queue does not stand.")
	descLimit    = desc("queue_limit", "Connections that may wait to be accepted now; less than the capacity in a standing queue.")
	descLimited  = desc("queue_limited_total", "How often the queue was limited because it stood.")
	descInFlight = desc("in_flight", "Connections that are accepted and open.")
	descSaturate = desc("saturation", "Connections that are served or wait, per ready worker; above 1 requests wait. The number to scale on.")
	descOldest   = desc("oldest_request_seconds", "Age of the oldest of them, as seen; 0 if there is none.")
	descHead     = desc("queue_head_seconds", "How long the head of the queue has waited, as seen; 0 if none waits.")
	descOrphans  = desc("orphaned_requests", "Requests that are served although their client has gone.")
	descAbandon  = desc("requests_abandoned_total", "Queued connections whose client has gone.")
	descBusy     = desc("workers_busy", "Ready workers that hold a connection.")
	descMemory   = desc("memory_bytes", "Memory of all workers and the template, PSS where it can be read, else RSS.")
	descTemplate = desc("template_state", "1 for the state of the process that workers are forked from (workers.prefork).", "state")
	descScaled   = desc("scale_events_total", "Changes of the number of workers.", "direction")
	descStarts   = desc("start_duration_seconds", "From spawn to ready.")
	descProbings = desc("probe_duration_seconds", "Whole probes, failed ones included.")
	descProbe    = desc("probe_failures_total", "Probes that failed, by class.", "class")
	descProbeUp  = desc("probe_success", "1 if the last probe was good or excused.")
	descProbeNo  = desc("probe_none", "1 if the program answers no ping, so that no probes are sent to it.")
	descRejected = desc("rejected_total", "Requests answered 503 because no worker could live.")
	descCut      = desc("cut_total", "Workers stopped at stop_timeout with a connection still open.")
	descConfig   = desc("config_last_reload_successful", "0 if the last reload changed nothing because of an error.")
)

// Describe is prometheus.Collector's.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descState, descWorkers, descBusy, descRestarts, descExits, descQueue, descCapacity, descLimit, descLimited, descHead, descInFlight, descSaturate, descOldest, descOrphans,
		descAbandon, descMemory, descTemplate, descScaled, descStarts, descProbings, descProbe, descProbeUp, descProbeNo, descRejected, descCut, descConfig,
	} {
		ch <- d
	}
}

// Collect is prometheus.Collector's.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, st := range c.snapshot() {
		collect(st, ch)
	}
}

func collect(st control.Status, ch chan<- prometheus.Metric) {
	number := strconv.Itoa(st.Instance)
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, append([]string{st.App, number}, labels...)...)
	}
	for _, s := range control.InstanceStates {
		send(descState, prometheus.GaugeValue, oneIf(s == st.State), string(s))
	}
	byState := map[control.State]int{}
	for _, w := range st.Workers {
		byState[w.State]++
	}
	for _, s := range control.States {
		send(descWorkers, prometheus.GaugeValue, float64(byState[s]), string(s))
	}
	for _, cause := range control.RestartCauses {
		send(descRestarts, prometheus.CounterValue, float64(st.Restarts[cause]), string(cause))
	}
	for _, cause := range control.Causes {
		send(descExits, prometheus.CounterValue, float64(st.Exits[cause]), string(cause))
	}
	some := func(d *prometheus.Desc, v *float64) {
		if v != nil {
			send(d, prometheus.GaugeValue, *v)
		}
	}
	some(descQueue, number64(st.Queue))
	some(descCapacity, number64(st.Backlog))
	some(descLimit, number64(st.QueueLimit))
	send(descLimited, prometheus.CounterValue, float64(st.QueueLimited))
	some(descHead, st.QueueHeadSeconds)
	some(descInFlight, number64(st.InFlight))
	some(descSaturate, saturation(st, byState[control.Ready]))
	some(descOldest, st.OldestRequestSeconds)
	some(descOrphans, number64(st.Orphaned))
	busy, memory := busyAndMemory(st.Workers)
	if t := st.Template; t != nil {
		for _, s := range control.TemplateStates {
			send(descTemplate, prometheus.GaugeValue, oneIf(s == t.State), string(s))
		}
		if memory != nil && t.MemoryBytes != nil {
			*memory += float64(*t.MemoryBytes)
		}
	}
	send(descBusy, prometheus.GaugeValue, busy)
	some(descMemory, memory)
	send(descAbandon, prometheus.CounterValue, float64(st.Abandoned))
	for _, d := range control.Directions {
		send(descScaled, prometheus.CounterValue, float64(st.Scaled[d]), string(d))
	}
	for d, h := range map[*prometheus.Desc]control.Histogram{descStarts: st.Starts, descProbings: st.Probings} {
		ch <- prometheus.MustNewConstHistogram(d, h.Total, h.Sum, h.Cumulative(), st.App, number)
	}
	for _, class := range fcgisup.ProbeClasses {
		send(descProbe, prometheus.CounterValue, float64(st.ProbeFailures[class]), string(class))
	}
	if st.Probe != nil {
		send(descProbeUp, prometheus.GaugeValue, oneIf(st.Probe.OK))
	}
	send(descProbeNo, prometheus.GaugeValue, oneIf(st.Probe != nil && st.Probe.Ping == control.PingNone))
	send(descRejected, prometheus.CounterValue, float64(st.Rejected))
	send(descCut, prometheus.CounterValue, float64(st.Cut))
	send(descConfig, prometheus.GaugeValue, oneIf(st.ConfigError == ""))
}

// saturation returns nil if it is not known how many connections there are. Without a ready worker it counts as one, so
// that requests that wait for a start show.
func saturation(st control.Status, ready int) *float64 {
	if st.Queue == nil || st.InFlight == nil {
		return nil
	}
	v := float64(*st.Queue+*st.InFlight) / float64(max(ready, 1))
	return &v
}

func number64(n *int) *float64 {
	if n == nil {
		return nil
	}
	v := float64(*n)
	return &v
}

// busyAndMemory are how many workers are busy, and the memory of all, which is known
// only if that of each is.
func busyAndMemory(workers []control.WorkerStatus) (busy float64, memory *float64) {
	sum := 0.0
	memory = &sum
	for _, w := range workers {
		if w.Busy != nil && *w.Busy {
			busy++
		}
		switch {
		case w.MemoryBytes != nil:
			sum += float64(*w.MemoryBytes)
		case w.PID != 0:
			memory = nil
		}
	}
	return busy, memory
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
