package fcgisup

import (
	"math"
	"net/netip"
	"path"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// MaxWorkers bounds the workers of one instance.
const MaxWorkers = 1000

// maxAddresses bounds the instances of all apps together.
const maxAddresses = 100_000

// readMargin lets the supervisor act on limits.request_timeout before nginx gives up.
const readMargin = 5 * time.Second

// at is where a value stands, or where its nearest parent does when a default is at fault.
func (d *decoder) at(key string, fallback *yaml.Node) *yaml.Node {
	for {
		if n := d.nodes[key]; n != nil {
			return n
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return fallback
		}
		key = key[:i]
	}
}

// checkApp is what no single value can tell.
func (d *decoder) checkApp(a *App, k *yaml.Node, key string) {
	fail := func(sub, format string, args ...any) {
		d.errorAt(d.at(key+"."+sub, k), key+"."+sub, format, args...)
	}
	switch {
	case d.nodes[key+".command"] == nil:
		d.errorAt(k, key+".command", "is required")
	case len(a.Command) == 0 && !d.failed(key+".command"):
		fail("command", "is empty")
	}
	w := a.Workers
	if !w.Auto && w.PerCPU != Default(a.Name).Workers.PerCPU {
		sub := key + ".workers.per_cpu"
		d.warnAt(d.at(sub, k), sub, "has no effect without workers: {max: auto}")
	}
	if w.Auto {
		// What the machine has decides.
	} else if w.Max < w.Min {
		fail("workers.max", "must be at least workers.min (%d)", w.Min)
	} else if w.Spare > w.Max {
		fail("workers.spare", "must be at most workers.max (%d)", w.Max)
	}
	if a.Restart.MaxDelay < a.Restart.Delay {
		fail("restart.max_delay", "must be at least restart.delay (%s)", a.Restart.Delay)
	}
	if err := a.Listen.check(a.Instances); err != nil {
		fail("listen", "%v", err)
	}
	if !a.Health.Address.IsZero() {
		if err := a.Health.Address.check(a.Instances); err != nil {
			fail("health.address", "%v", err)
		}
	}
	d.checkTimes(a, k, key)
	if !a.Systemd.Supervise && w.Prefork.On() {
		fail("workers.prefork", "needs the supervisor, which systemd.supervise: false leaves out")
	}
	if !w.Prefork.On() && a.Limits.TemplateIdle > 0 {
		sub := key + ".limits.template_idle"
		d.warnAt(d.at(sub, k), sub, "has no effect without workers: {prefork: perl}")
	}
	d.checkHosts(a, fail, func(sub, format string, args ...any) {
		d.warnAt(d.at(key+"."+sub, k), key+"."+sub, format, args...)
	})
	if !a.Systemd.Supervise && (w.Max > 1 || w.Auto) {
		fail("systemd.supervise", "must be true for more than one worker: systemd runs one process per instance")
	}
}

// checkTimes warns of requests that would be answered wrongly, or later than nginx waits.
func (d *decoder) checkTimes(a *App, k *yaml.Node, key string) {
	if _, told := a.Health.Params["SCRIPT_FILENAME"]; a.Health.Path != "" && !told && a.Scripts() != NoScripts {
		sub := key + ".health.path"
		d.warnAt(d.at(sub, k), sub, "asks %s for a script that it is not told, which is a wrong answer; add health: {params: {SCRIPT_FILENAME: /PATH}}", path.Base(a.Command[0]))
	}
	if read := a.ReadTimeout(); a.Limits.RequestTimeout > read {
		sub := key + ".limits.request_timeout"
		d.warnAt(d.at(sub, k), sub, "is longer than nginx waits for an answer (nginx.read_timeout, %s): slower requests are answered 504; add nginx: {read_timeout: %s}",
			showDuration(read), showDuration(a.withStart(a.Limits.RequestTimeout+min(readMargin, math.MaxInt64-a.Limits.RequestTimeout))))
	}
	if read := a.ReadTimeout(); a.Limits.QueueWait > read {
		sub := key + ".limits.queue_wait"
		d.warnAt(d.at(sub, k), sub, "is longer than nginx waits for an answer (nginx.read_timeout, %s): what is let into a standing queue is answered 504; set limits: {queue_wait: %s} or less",
			showDuration(read), showDuration(read/2))
	}
}

// failed reports whether a value or a part of it has an error already.
func (d *decoder) failed(key string) bool {
	for _, e := range d.errs {
		if e.Key == key || strings.HasPrefix(e.Key, key+".") || strings.HasPrefix(e.Key, key+"[") {
			return true
		}
	}
	return false
}

// checkApart refuses what two apps cannot share: an address, an upstream's name.
func (d *decoder) checkApart(c *Config) {
	taken, upstreams := claims{}, map[string]string{}
	total := 0
	for _, a := range c.Apps {
		key := "apps." + a.Name
		if total += a.Instances * max(len(a.Hosts), 1); total > maxAddresses {
			d.errorAt(d.at(key+".instances", nil), key+".instances", "makes more than %d instances of all apps", maxAddresses)
			return
		}
		if other := upstreams[a.Nginx.Upstream]; other != "" {
			d.errorAt(d.at(key+".nginx.upstream", nil), key+".nginx.upstream", "%s is app %s's upstream already", a.Nginx.Upstream, other)
		}
		upstreams[a.Nginx.Upstream] = a.Name
		if d.failed(key + ".listen") {
			continue
		}
		for _, i := range a.Expand() {
			if other, ok := taken.claim(i); !ok {
				d.errorAt(d.at(key+".listen", nil), key+".listen", "%s and %s would both listen on %s", other, i, i.Address)
				break
			}
		}
	}
}

// claims knows which instance holds which address: by canonical path for unix, by port
// for TCP, where a wildcard host conflicts with every other.
type claims map[string][]Instance

func (c claims) claim(i Instance) (Instance, bool) {
	key := i.Address.Canonical().Addr
	if i.Address.Network == "tcp" {
		key = key[strings.LastIndexByte(key, ':'):]
	}
	for _, other := range c[key] {
		if i.Address.Network == "unix" || i.Address == other.Address || wildcard(i.Address) || wildcard(other.Address) {
			return other, false
		}
	}
	c[key] = append(c[key], i)
	return Instance{}, true
}

func wildcard(a Address) bool {
	host := strings.Trim(a.Addr[:strings.LastIndexByte(a.Addr, ':')], "[]")
	ip, err := netip.ParseAddr(host)
	return err != nil || ip.IsUnspecified()
}
