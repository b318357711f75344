package service

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// BuildInfo is the metric that says which version runs.
func BuildInfo(version string) prometheus.Collector {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "fcgisup_build_info",
		Help:        "1, with the version in the labels.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	return build
}
