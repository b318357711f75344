package fcgisup

import (
	"syscall"
	"time"
)

// Default is an app with every default in place and nothing to run: the one
// source of defaults for files, the command line and the reference.
func Default(name string) App {
	return App{
		Name:       name,
		Directory:  "/",
		User:       "www-data",
		Instances:  1,
		Workers:    Workers{Min: 1, Max: 1, PerCPU: 2},
		Activation: Lazy,
		Listen:     Listen{Path: "/run/" + name + "%i.sock"},
		Socket:     Socket{User: "www-data", Mode: 0o660, Backlog: 4096},
		Health: Health{
			Method:   "GET",
			Host:     "localhost",
			Port:     80,
			Expect:   Expect{Status: []StatusRange{{200, 399}}},
			Interval: 10 * time.Second,
			Timeout:  5 * time.Second,
			Failures: 3,
		},
		Limits: Limits{
			StartTimeout: 60 * time.Second,
			StopTimeout:  30 * time.Second,
			QueueTimeout: 5 * time.Second,
			QueueWait:    2 * time.Second,
		},
		Restart:    Restart{Delay: 100 * time.Millisecond, MaxDelay: 30 * time.Second, Factor: 2},
		StopSignal: syscall.SIGTERM,
		Nginx:      Nginx{Upstream: name + "_backend", Balance: "least_conn", Location: "/"},
		Web:        Web{Root: "/var/www/html", Connections: 10},
		Systemd:    Systemd{Sandbox: Basic, Supervise: true},
	}
}

// DefaultMonitor is what "fcgisup monitor" does unless the file says otherwise.
func DefaultMonitor() Monitor {
	return Monitor{Listen: Address{"tcp", "127.0.0.1:9180"}, Interval: 5 * time.Second}
}

// DefaultAlerts is when people are told unless the file says otherwise; whom, only the file can say.
func DefaultAlerts() Alerts {
	return Alerts{For: time.Minute, Repeat: 4 * time.Hour}
}
