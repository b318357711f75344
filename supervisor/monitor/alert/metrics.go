package alert

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ReceiverStatus is the delivery status of one receiver.
type ReceiverStatus struct {
	Receiver string `json:"receiver"`
	// Kind is the key that configures it: url_file, url_env, exec.
	Kind string `json:"kind"`
	// Pending messages have yet to be delivered.
	Pending int `json:"pending"`
	// Sent is the last delivery, zero if there was none.
	Sent time.Time `json:"sent,omitzero"`
	// Error is why the last attempt failed, empty if it did not. It holds no part of a URL.
	Error string `json:"error,omitempty"`

	results map[Result]uint64
}

// view is the copy of the loop's state for other goroutines.
type view struct {
	receivers []ReceiverStatus
	firing    int
}

func (l *loop) publish() {
	v := &view{}
	for _, t := range l.alerts.To {
		q := l.Queues[t.Name]
		st := ReceiverStatus{Receiver: t.Name, Kind: t.Kind(), Pending: len(q.Items), Sent: q.sent, Error: q.lastError, results: map[Result]uint64{}}
		for _, r := range Results {
			st.results[r] = q.counts[r]
		}
		v.receivers = append(v.receivers, st)
	}
	for _, t := range l.Machine.Incidents {
		if t.firing() {
			v.firing++
		}
	}
	l.view.Store(v)
}

// Receivers returns the status of each receiver, in the order of the configuration.
func (a *Alerter) Receivers() []ReceiverStatus { return a.view.Load().receivers }

var (
	descSent    = prometheus.NewDesc("fcgisup_alerts_sent_total", "Messages by receiver and result: ok, expired and dropped are final, failed is an attempt that another follows.", []string{"receiver", "result"}, nil)
	descPending = prometheus.NewDesc("fcgisup_alerts_pending", "Messages that a receiver has yet to take.", []string{"receiver"}, nil)
	descFiring  = prometheus.NewDesc("fcgisup_alerts_firing", "Instances for which a down message was sent.", nil, nil)
)

// Describe is prometheus.Collector's.
func (a *Alerter) Describe(ch chan<- *prometheus.Desc) {
	ch <- descSent
	ch <- descPending
	ch <- descFiring
}

// Collect is prometheus.Collector's.
func (a *Alerter) Collect(ch chan<- prometheus.Metric) {
	v := a.view.Load()
	ch <- prometheus.MustNewConstMetric(descFiring, prometheus.GaugeValue, float64(v.firing))
	for _, t := range v.receivers {
		ch <- prometheus.MustNewConstMetric(descPending, prometheus.GaugeValue, float64(t.Pending), t.Receiver)
		for _, r := range Results {
			ch <- prometheus.MustNewConstMetric(descSent, prometheus.CounterValue, float64(t.results[r]), t.Receiver, string(r))
		}
	}
}
