package fcgisup

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config is one configuration file.
type Config struct {
	// Path is the file it was read from, or a name for errors.
	Path string
	// Text is what it was parsed from.
	Text []byte
	// Apps are in file order.
	Apps    []App
	Monitor Monitor
	Alerts  Alerts
	// Warnings are values that are accepted and will cause trouble, in file order.
	Warnings Errors
}

// App returns the app with this name.
func (c *Config) App(name string) (App, bool) {
	for _, a := range c.Apps {
		if a.Name == name {
			return a, true
		}
	}
	return App{}, false
}

// App is what the administrator configures: a command, a user, numbers.
type App struct {
	Name        string
	Description string
	// Command is the program's argv; Command[0] is absolute. It is never given to a shell.
	Command   []string
	Directory string
	// User and Group run the workers. An empty Group is the user's primary group,
	// an empty User (only from the command line) is the user that runs fcgisup.
	User, Group string
	Environment map[string]string
	// EnvironmentFile is in the format of systemd.exec(5); a leading "-" lets it be missing.
	EnvironmentFile string
	// After, Wants and Requires are unit names, as in systemd.unit(5).
	After, Wants, Requires []string
	// Instances is how many numbered copies there are, 1 to [MaxInstances].
	Instances  int
	Workers    Workers
	Activation Activation
	Listen     Listen
	// Hosts run the instances, all of them each; without any, this host does.
	Hosts   []Host
	Socket  Socket
	Health  Health
	Limits  Limits
	Restart Restart
	// StopSignal asks a worker to finish; SIGUSR1 is libfcgi's graceful stop.
	StopSignal syscall.Signal
	Nginx      Nginx
	Web        Web
	Systemd    Systemd
}

// MaxInstances bounds the instances of one app.
const MaxInstances = 10_000

// Workers is how many processes accept on one instance's socket.
type Workers struct {
	// Min always run once the instance is awake, Max is the limit, Spare is how
	// many idle ones are kept ready between the two.
	Min, Max, Spare int
	// Auto has [Workers.Resolve] set Max, where the workers run, to PerCPU times the CPUs there; Fixed sets Min to the same.
	Auto, Fixed bool
	PerCPU      float64
	Prefork     Prefork
}

// Resolve returns w with Max set by the machine, if it is automatic: PerCPU for each of the cpus, rounded down. If both are
// known, not 0, no more than fit into the memory at perWorker each, in bytes. There is at least one, and never less than Min.
func (w Workers) Resolve(cpus float64, memory, perWorker uint64) Workers {
	if !w.Auto {
		return w
	}
	n := min(cpus*w.PerCPU, MaxWorkers)
	if memory > 0 && perWorker > 0 {
		n = min(n, float64(memory/perWorker))
	}
	w.Max = max(int(n), w.Min, 1)
	if w.Fixed {
		w.Min = w.Max
	}
	w.Spare = min(w.Spare, w.Max)
	return w
}

// Activation says what wakes an instance.
type Activation string

// The activations.
const (
	// Lazy starts an instance with its own first request.
	Lazy Activation = "lazy"
	// Fleet starts every instance with the first request to any of them.
	Fleet Activation = "fleet"
	// Eager starts every instance at boot.
	Eager Activation = "eager"
)

// SocketGroup is the group that owns the app's unix sockets: socket.group, else
// the workers' own. A user without a group here has that of the same name.
func (a App) SocketGroup() string { return cmp.Or(a.Socket.Group, a.Group, a.User) }

// Socket is who may connect to a unix socket, and how many may wait.
type Socket struct {
	// User is whom the web server connects as. An empty Group is the workers' own.
	User, Group string
	Mode        fs.FileMode
	// Backlog is listen(2)'s, capped by the kernel at net.core.somaxconn.
	Backlog int
}

// Health is the probe: which request is sent and which answer is right.
type Health struct {
	// Path is requested, "?query" allowed. Empty: a padded FCGI_GET_VALUES ping, for programs that have answered one.
	Path       string
	ScriptName string
	Method     string
	Host       string
	Port       int
	// Params are added to the request's CGI parameters, or replace them.
	Params map[string]string
	// Address is a separate status socket, "%i" as in Listen; empty: the instance's own.
	Address Listen
	Expect  Expect
	// Interval is from the end of one probe to the start of the next; 0: never probe.
	Interval time.Duration
	// Timeout bounds the whole exchange.
	Timeout time.Duration
	// Failures in a row make a worker unhealthy.
	Failures int
	// ReadyQueue is the length of the queue from which on /readyz sends traffic elsewhere; 0: any queue is ready.
	ReadyQueue int
}

// Limits are the deadlines and bounds of a worker; 0 is none unless said otherwise.
type Limits struct {
	// StartTimeout is from spawn to ready.
	StartTimeout time.Duration
	// StopTimeout is from the stop signal to KILL.
	StopTimeout time.Duration
	// RequestTimeout is how long one request may be served before its worker is stuck.
	RequestTimeout time.Duration
	// IdleTimeout sends an idle instance back to sleep.
	IdleTimeout time.Duration
	// TemplateIdle is how long the template of workers.prefork outlives the workers of an instance that sleeps.
	TemplateIdle time.Duration
	// QueueTimeout is how long a request waits, while no worker can live, for its 503.
	QueueTimeout time.Duration
	// QueueWait is how long a request that is let into a standing queue may expect to wait.
	QueueWait time.Duration
	// DrainDelay is for how long after SIGTERM the sockets are still served, while /readyz says that the end is near.
	DrainDelay time.Duration
	// MaxAge recycles a worker, replacement first.
	MaxAge time.Duration
	// MaxMemory, in bytes of PSS where readable and RSS elsewhere, recycles a worker.
	MaxMemory uint64
}

// Restart is the backoff between attempts to start a worker that fails before it is ready.
type Restart struct {
	Delay    time.Duration
	MaxDelay time.Duration
	// Factor is at least 1.
	Factor float64
}

// Nginx is what the generated upstream and location say.
type Nginx struct {
	Upstream string
	// Balance is "round_robin", "random", "least_conn", "ip_hash" or "hash KEY [consistent]".
	Balance  string
	Location string
	// Resolver is what nginx asks for the addresses of hosts while it runs; empty: none.
	Resolver string
	// ReadTimeout is how long nginx waits for an answer; 0: see [App.ReadTimeout].
	ReadTimeout time.Duration
	// Params are fastcgi_param pairs that add to, or replace, the generated ones.
	Params map[string]string
}

// Web is what web servers other than nginx are told beyond [Nginx].
type Web struct {
	// Root is the document root, for servers whose own configuration has none.
	Root string
	// Connections is how many a worker gets at once, from servers that can hold requests back.
	Connections int
}

// usualRead is nginx's own fastcgi_read_timeout.
const usualRead = 60 * time.Second

// ReadTimeout is how long nginx waits for an answer: nginx.read_timeout, else
// nginx's own minute plus the start of an instance.
func (a App) ReadTimeout() time.Duration {
	if a.Nginx.ReadTimeout > 0 {
		return a.Nginx.ReadTimeout
	}
	return a.withStart(usualRead)
}

// withStart adds the start of an instance where a request may have to wait for one.
func (a App) withStart(d time.Duration) time.Duration {
	if a.Activation == Eager && a.Workers.Min > 0 && a.Limits.IdleTimeout == 0 {
		return d
	}
	return d + min(a.Limits.StartTimeout, math.MaxInt64-d)
}

// Systemd is what the generated units say beyond the rest of the app.
type Systemd struct {
	// Socket and Service are extra directives, each with its values in order.
	Socket, Service map[string][]string
	Sandbox         Sandbox
	// Supervise false generates the plain form: systemd execs the program itself.
	Supervise bool
}

// Sandbox is how much of systemd's sandboxing a generated service gets.
type Sandbox string

// The sandboxes.
const (
	// Basic is what no program notices that a plain unit would run.
	Basic Sandbox = "basic"
	// Strict takes set-user-ID helpers, homes and most system calls away: it is for apps whose needs are known.
	Strict Sandbox = "strict"
	// Off leaves sandboxing to systemd.service.
	Off Sandbox = "off"
)

// parseSandbox also takes what YAML 1.1 calls booleans: an unquoted off is one of them.
func parseSandbox(s string) (Sandbox, error) {
	switch strings.ToLower(s) {
	case "off", "no", "false":
		return Off, nil
	case "on", "yes", "true", string(Basic):
		return Basic, nil
	case string(Strict):
		return Strict, nil
	default:
		return "", fmt.Errorf("%q is not one of basic, strict, off", s)
	}
}

// Instance is one numbered copy of an app: one socket, one server line in
// nginx, one pair of units.
type Instance struct {
	App     string
	Number  int
	Address Address
}

// String is the instance as commands and logs name it: "rt@3".
func (i Instance) String() string { return i.App + "@" + strconv.Itoa(i.Number) }

// Instance returns the app's instance n, counted from 1.
func (a App) Instance(n int) Instance {
	return Instance{App: a.Name, Number: n, Address: a.Listen.Address(n)}
}

// Expand returns all instances of the app.
func (a App) Expand() []Instance {
	all := make([]Instance, a.Instances)
	for i := range all {
		all[i] = a.Instance(i + 1)
	}
	return all
}

// Expect is which answer to a probe is right.
type Expect struct {
	// Status is what the HTTP status must be in.
	Status []StatusRange
	// Body must match within the first 64 KiB; nil matches all.
	Body *regexp.Regexp
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ Min, Max int }

func (r StatusRange) String() string {
	if r.Min == r.Max {
		return strconv.Itoa(r.Min)
	}
	return fmt.Sprintf("%d-%d", r.Min, r.Max)
}

// File is a rendered file; Path is relative to the output directory.
type File struct {
	Path string
	Mode fs.FileMode
	Data []byte
}
