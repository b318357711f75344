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
		ctx, cancel := context.WithTimeout(context.Background(), control.StatusTimeout)
		defer cancel()
		return s.FreshStatus(ctx, 0)
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

// sender writes the metrics of one instance.
type sender struct {
	ch            chan<- prometheus.Metric
	app, instance string
}

func (s sender) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{s.app, s.instance}, labels...)...)
}

// known is gauge where the value is known.
func (s sender) known(d *prometheus.Desc, v *float64) {
	if v != nil {
		s.gauge(d, *v)
	}
}

func (s sender) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{s.app, s.instance}, labels...)...)
}

func (s sender) histogram(d *prometheus.Desc, h control.Histogram) {
	s.ch <- prometheus.MustNewConstHistogram(d, h.Total, h.Sum, h.Cumulative(), s.app, s.instance)
}

func collect(st control.Status, ch chan<- prometheus.Metric) {
	s := sender{ch, st.App, strconv.Itoa(st.Instance)}
	for _, state := range control.InstanceStates {
		s.gauge(descState, oneIf(state == st.State), string(state))
	}
	s.workers(st)
	s.queue(st)
	s.probes(st)
	s.histogram(descStarts, st.Starts)
	for _, d := range control.Directions {
		s.counter(descScaled, st.Scaled[d], string(d))
	}
	s.counter(descRejected, st.Rejected)
	s.counter(descCut, st.Cut)
	s.gauge(descConfig, oneIf(st.ConfigError == ""))
}

func (s sender) workers(st control.Status) {
	byState := map[control.State]int{}
	for _, w := range st.Workers {
		byState[w.State]++
	}
	for _, state := range control.States {
		s.gauge(descWorkers, float64(byState[state]), string(state))
	}
	for _, cause := range control.RestartCauses {
		s.counter(descRestarts, st.Restarts[cause], string(cause))
	}
	for _, cause := range control.Causes {
		s.counter(descExits, st.Exits[cause], string(cause))
	}
	busy, memory := busyAndMemory(st.Workers)
	if t := st.Template; t != nil {
		for _, state := range control.TemplateStates {
			s.gauge(descTemplate, oneIf(state == t.State), string(state))
		}
		if memory != nil && t.MemoryBytes != nil {
			*memory += float64(*t.MemoryBytes)
		}
	}
	s.gauge(descBusy, busy)
	s.known(descMemory, memory)
	s.known(descSaturate, saturation(st, byState[control.Ready]))
}

func (s sender) queue(st control.Status) {
	s.known(descQueue, number64(st.Queue))
	s.known(descCapacity, number64(st.Backlog))
	s.known(descLimit, number64(st.QueueLimit))
	s.counter(descLimited, st.QueueLimited)
	s.known(descHead, st.QueueHeadSeconds)
	s.known(descInFlight, number64(st.InFlight))
	s.known(descOldest, st.OldestRequestSeconds)
	s.known(descOrphans, number64(st.Orphaned))
	s.counter(descAbandon, st.Abandoned)
}

func (s sender) probes(st control.Status) {
	s.histogram(descProbings, st.Probings)
	for _, class := range fcgisup.ProbeClasses {
		s.counter(descProbe, st.ProbeFailures[class], string(class))
	}
	if st.Probe != nil {
		s.gauge(descProbeUp, oneIf(st.Probe.OK))
	}
	s.gauge(descProbeNo, oneIf(st.Probe != nil && st.Probe.Ping == control.PingNone))
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
