package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// HealthLimits are what the verdicts for an orchestrator need of the configuration.
type HealthLimits struct {
	// StartTimeout and MaxDelay bound one attempt to start a worker and the pause before it, StopTimeout the end of one.
	StartTimeout, MaxDelay, StopTimeout time.Duration
	// ReadyQueue is the length of a queue that is too long for more traffic; 0: none is.
	ReadyQueue int
}

// healthMargin is how much longer than its limit something may take before a restart of everything is worth it.
const healthMargin = 30 * time.Second

// PodStarted reports whether requests may be sent for the first time: an instance has a ready worker, or sleeps until one comes.
func PodStarted(all []Status) (ok bool, why string) {
	for _, st := range all {
		if st.State == Sleeping || st.ready() > 0 {
			return true, ""
		}
	}
	return false, "no worker has been ready yet"
}

// PodReady reports whether a request would be answered soon: an instance sleeps, and wakes for it, or has a ready worker and a
// queue that is not too long. Busy workers alone are not a reason to send requests elsewhere: under overload every pod would be
// taken out at once.
func PodReady(all []Status, limits HealthLimits) (ok bool, why string) {
	why = "there is no instance"
	for _, st := range all {
		switch {
		case st.State == Sleeping:
			return true, ""
		case st.State == InstanceStopping:
			why = st.name() + " stops"
		case st.ready() == 0:
			why = st.name() + " has no ready worker"
		case limits.ReadyQueue > 0 && st.Queue != nil && *st.Queue >= limits.ReadyQueue:
			why = fmt.Sprintf("%s has %d connections in its queue; health.ready_queue is %d", st.name(), *st.Queue, limits.ReadyQueue)
		default:
			return true, ""
		}
	}
	return false, why
}

// PodLive reports whether the supervisor does what it is for: none of its workers takes much longer to end than stop_timeout,
// and no instance has been without a ready worker for much longer than an attempt to start one takes. What it returns false
// for, a restart of the container may cure.
func PodLive(all []Status, now time.Time, limits HealthLimits) (ok bool, why string) {
	for _, st := range all {
		for _, w := range st.Workers {
			if took := now.Sub(w.Since); (w.State == Stopping || w.State == Killing) && took > limits.StopTimeout+healthMargin {
				return false, fmt.Sprintf("worker %d of %s does not end, for %s", w.PID, st.name(), took.Round(time.Second))
			}
		}
		if took := now.Sub(st.Since); st.State == InstanceFailing && took > limits.StartTimeout+limits.MaxDelay+healthMargin {
			return false, fmt.Sprintf("%s has had no ready worker for %s", st.name(), took.Round(time.Second))
		}
	}
	return true, ""
}

func (st Status) ready() (n int) {
	for _, w := range st.Workers {
		if w.State == Ready {
			n++
		}
	}
	return n
}

func (st Status) name() string { return fmt.Sprintf("%s@%d", st.App, st.Instance) }

// Pod is what the verdicts for an orchestrator are made of.
type Pod struct {
	// Look returns the status of all instances, as [Supervised] does; Alive reports whether their loops run.
	Status func(ctx context.Context, instance int) []Status
	Alive  func(ctx context.Context) bool
	// Draining reports whether a signal to stop has come.
	Draining func() bool
	Limits   func() HealthLimits
}

// Handler serves GET /livez, /readyz and /startupz: 200, or 503 with the reason as text.
func (p Pod) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, verdict := range p.verdicts() {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), StatusTimeout)
			defer cancel()
			ok, why := verdict(ctx)
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			if !ok {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, why+"\n")
				return
			}
			_, _ = io.WriteString(w, "ok\n")
		})
	}
	return mux
}

func (p Pod) verdicts() map[string]func(ctx context.Context) (bool, string) {
	return map[string]func(ctx context.Context) (bool, string){
		"/livez": func(ctx context.Context) (bool, string) {
			if !p.Alive(ctx) {
				return false, "the loop of an instance does not answer"
			}
			return PodLive(p.Status(ctx, 0), time.Now(), p.Limits())
		},
		"/readyz": func(ctx context.Context) (bool, string) {
			if p.Draining() {
				return false, "stopping"
			}
			return PodReady(p.Status(ctx, 0), p.Limits())
		},
		"/startupz": func(ctx context.Context) (bool, string) { return PodStarted(p.Status(ctx, 0)) },
	}
}
