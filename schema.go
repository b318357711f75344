package fcgisup

import (
	"fmt"
	"time"

	"gopkg.in/yaml.v3"
)

func (d *decoder) config(c *Config, root *yaml.Node) {
	c.Monitor, c.Alerts = DefaultMonitor(), DefaultAlerts()
	section(configFields(c))(d, root, "")
	if len(c.Apps) == 0 && len(d.errs) == 0 {
		d.errorAt(root, "apps", "holds no app")
	}
	d.checkApart(c)
	d.warnSockets(c)
	d.checkMonitor(&c.Monitor, root)
}

func configFields(c *Config) []field {
	return []field{
		{"apps", "one entry per app", apps(&c.Apps)},
		{"monitor", "fcgisup monitor, the host's daemon", section(monitorFields(&c.Monitor))},
		{"alerts", "what fcgisup monitor tells people, and when", section(alertFields(&c.Alerts))},
	}
}

func apps(all *[]App) set {
	return func(d *decoder, n *yaml.Node, key string) {
		d.mapping(n, key, func(k, v *yaml.Node, at string) {
			app := Default(k.Value)
			if msg := checkName(k.Value); msg != "" {
				d.errorAt(k, at, "%s", msg)
			}
			section(appFields(&app))(d, v, at)
			if v.Kind != yaml.ScalarNode { // else that is the error
				d.checkApp(&app, k, at)
			}
			*all = append(*all, app)
		})
	}
}

func monitorFields(m *Monitor) []field {
	return []field{
		{"listen", "unix path or IP:PORT of the page, the metrics and the API", endpoint(&m.Listen)},
		{"token_file", "file with the secret that callers present; a must unless listen is loopback or a unix path", secretFile(&m.TokenFile)},
		{"interval", "from one look at all instances to the next, at least 1s", atLeast(&m.Interval, time.Second)},
	}
}

func alertFields(a *Alerts) []field {
	return []field{
		{"for", "how long an instance is down before anybody hears of it", duration(&a.For)},
		{"repeat", "from one message about what is still down to the next; 0: never", duration(&a.Repeat)},
		{"to", "the receivers, a list", receivers(&a.To)},
	}
}

func receiverFields(t *Receiver) []field {
	return []field{
		{"name", "stands for the receiver in logs, metrics and alert test; absent: made of what follows", receiverName(&t.Name)},
		{"url_file", "file with a shoutrrr URL, such as telegram://TOKEN@telegram?chats=ID, readable by its owner only", secretFile(&t.URLFile)},
		{"url_env", "environment variable of fcgisup monitor that holds a shoutrrr URL", secretVariable(&t.URLEnv)},
		{"exec", "argv of a program that gets the message as JSON on standard input", command(&t.Exec)},
	}
}

func appFields(a *App) []field {
	return []field{
		{"description", "what systemctl and status call the app", text(&a.Description)},
		{"command", "argv, never given to a shell; a string is split as systemd.service(5) splits it; the first word is an absolute path", command(&a.Command)},
		{"directory", "working directory of the workers", absolute(&a.Directory)},
		{"user", "user of the workers", account(&a.User)},
		{"group", "group of the workers; absent: the user's own", account(&a.Group)},
		{"environment", "variables of the workers", environment(&a.Environment)},
		{"environment_file", "file with more variables, systemd.exec(5); a leading - lets it be missing. One that only root may read is read by systemd when a service starts: a change takes a restart of the service", environmentFile(&a.EnvironmentFile)},
		{"after", "units to start after, systemd.unit(5)", unitNames(&a.After)},
		{"wants", "units to start along", unitNames(&a.Wants)},
		{"requires", "units that must run", unitNames(&a.Requires)},
		{"instances", "numbered copies, one socket each, 1 to 10000", number(&a.Instances, 1, MaxInstances)},
		{"workers", "processes that share an instance's socket: a number, auto, or min, max and spare", workers(&a.Workers)},
		{"activation", "lazy: an instance starts with its first request; fleet: any first request starts all; eager: at boot. Woken by a request, a pool begins with one worker and has the others within seconds", oneOf(&a.Activation, Lazy, Fleet, Eager)},
		{"listen", "unix path with %i for the instance's number, or IP:PORT of instance 1, the others on the ports after it", listen(&a.Listen)},
		{"hosts", "machines that run the instances, all of them each, for nginx on another one: host names and IP addresses; with the word backup after it a host gets requests only while no other can be reached. Needs a TCP listen. Absent: the instances are this host's", hosts(&a.Hosts)},
		{"socket", "who may connect, and how many may wait", section(socketFields(&a.Socket))},
		{"health", "the probe", section(healthFields(&a.Health))},
		{"limits", "deadlines and bounds of a worker", section(limitFields(&a.Limits))},
		{"restart", "backoff of a worker that fails before it is ready; after a change of the files in command, or of environment_file, the next try comes within a second", section(restartFields(&a.Restart))},
		{"stop_signal", "asks a worker to finish; SIGUSR1 is libfcgi's graceful stop", signal(&a.StopSignal)},
		{"nginx", "the generated upstream and location", section(nginxFields(&a.Nginx))},
		{"web", "what fcgisup gen apache, caddy, haproxy and lighttpd take beside nginx", section(webFields(&a.Web))},
		{"systemd", "the generated units", section(systemdFields(&a.Systemd))},
	}
}

func workers(w *Workers) set {
	return kindly(fmt.Sprintf("whole number, 1 to %d, auto, or a mapping", MaxWorkers), func(d *decoder, n *yaml.Node, key string) {
		r := d.resolve(n, key)
		if r == nil {
			return
		}
		if r.Kind == yaml.ScalarNode {
			workersMax(w)(d, n, key)
			if w.Fixed = w.Auto; !w.Auto {
				w.Min = w.Max
			}
			return
		}
		section([]field{
			{"min", "workers that always run once the instance is awake; 0 lets it sleep", number(&w.Min, 0, MaxWorkers)},
			{"max", "the most workers; auto: per_cpu for each CPU of the control group's quota (cpu.max), else of the machine, and no more than fit into memory.max if limits.max_memory is set", workersMax(w)},
			{"spare", "idle workers kept ready", number(&w.Spare, 0, MaxWorkers)},
			{"per_cpu", "workers per CPU with max: auto; may be a fraction", perCPU(&w.PerCPU)},
			{"prefork", "perl: the program is loaded once, up to its first FCGI::Accept, and its workers are forked from that template: they start in milliseconds and share memory. Where that would break something they are started as ever, and status says why. off: each worker loads the program", prefork(&w.Prefork)},
		})(d, n, key)
		if d.describing() {
			d.about(key, func(k *Key) { k.Default = show(w.Max) })
		}
	})
}

func workersMax(w *Workers) set {
	return kindly(fmt.Sprintf("whole number, 1 to %d, or auto", MaxWorkers), func(d *decoder, n *yaml.Node, key string) {
		if r := d.resolve(n, key); r != nil && r.Kind == yaml.ScalarNode && r.Value == "auto" {
			w.Auto, w.Max = true, max(w.Min, 1)
			return
		}
		number(&w.Max, 1, MaxWorkers)(d, n, key)
	})
}

func socketFields(s *Socket) []field {
	return []field{
		{"user", "owner of the unix socket, whom the web server connects as", account(&s.User)},
		{"group", "group of the unix socket; absent: the workers' own, so that the supervisor can probe and other apps cannot connect", account(&s.Group)},
		{"mode", "octal mode of the unix socket", mode(&s.Mode)},
		{"backlog", "how many connections may wait; the kernel caps it at net.core.somaxconn", number(&s.Backlog, 1, 1<<31-1)},
	}
}

func healthFields(h *Health) []field {
	return []field{
		{"path", "a real request, such as /?MAP=/srv/x.map; one that the program answers with expect.status, which a program that wants a query may not do for / alone; absent: a ping (FCGI_GET_VALUES), for programs that have answered one", urlPath(&h.Path)},
		{"script_name", "SCRIPT_NAME of the request, the prefix that the app is mounted at", urlPath(&h.ScriptName)},
		{"method", "REQUEST_METHOD", method(&h.Method)},
		{"host", "HTTP_HOST and SERVER_NAME", text(&h.Host)},
		{"port", "SERVER_PORT", number(&h.Port, 1, 65535)},
		{"params", "more CGI parameters", params(&h.Params)},
		{"address", "a separate status socket, %i as in listen", listen(&h.Address)},
		{"expect", "the right answer", section([]field{
			{"status", "status codes and ranges, 200-399", statuses(&h.Expect.Status)},
			{"body", "regular expression that the first 64 KiB must match", expression(&h.Expect.Body)},
		})},
		{"interval", "from the end of one probe to the next; 0: never", duration(&h.Interval)},
		{"timeout", "bound on the whole exchange", positiveDuration(&h.Timeout)},
		{"failures", "in a row, until the worker is unhealthy", number(&h.Failures, 1, 1000)},
		{"ready_queue", "connections in the queue from which on /readyz of run --metrics answers 503; 0: a long queue stays ready. When all pods are overloaded, all are out at once", number(&h.ReadyQueue, 0, 1<<31-1)},
	}
}

func limitFields(l *Limits) []field {
	return []field{
		{"start_timeout", "spawn to ready", positiveDuration(&l.StartTimeout)},
		{"stop_timeout", "stop signal to KILL", positiveDuration(&l.StopTimeout)},
		{"request_timeout", "one request longer than this makes its worker stuck, also a kept connection while others wait for as long; 0: never", duration(&l.RequestTimeout)},
		{"idle_timeout", "an instance idle for this long goes back to sleep; 0: never", duration(&l.IdleTimeout)},
		{"template_idle", "how long the template of workers.prefork outlives the workers of an instance that has gone to sleep, so that it wakes in milliseconds; 0: it goes with them", duration(&l.TemplateIdle)},
		{"queue_timeout", "while no worker can live, how long a request waits for its 503; 0: for ever", duration(&l.QueueTimeout)},
		{"queue_wait", "longest expected wait under overload: further requests are refused at once, and nginx answers 503. A burst that drains within 10s is not refused. Unix sockets only. 0: off", duration(&l.QueueWait)},
		{"drain_delay", "for how long after SIGTERM the sockets are still served while /readyz answers 503, before workers are stopped: what a load balancer needs to take notice", duration(&l.DrainDelay)},
		{"max_age", "recycles a worker, replacement first, jittered once; 0: never", duration(&l.MaxAge)},
		{"max_memory", "recycles a worker that has grown over this, such as 512MiB; 0: never", size(&l.MaxMemory)},
	}
}

func restartFields(r *Restart) []field {
	return []field{
		{"delay", "after the first failure", positiveDuration(&r.Delay)},
		{"max_delay", "the longest: how soon it is seen that what the program needs, a database, is back", positiveDuration(&r.MaxDelay)},
		{"factor", "growth from one failure to the next", factor(&r.Factor)},
	}
}

func nginxFields(x *Nginx) []field {
	return []field{
		{"upstream", "name of the upstream block", nginxText(&x.Upstream)},
		{"balance", "least_conn, round_robin, random, ip_hash or hash KEY", balance(&x.Balance)},
		{"location", "prefix that the app is mounted at: /app serves /app and /app/…, not /application; nginx redirects /app to /app/ for a prefix that ends in /", location(&x.Location)},
		{"resolver", "name servers, as nginx's resolver directive takes them, for names in hosts: nginx 1.27.3 and later then follows changes of their addresses; absent: nginx looks names up when it starts and reloads", nginxWords(&x.Resolver)},
		{"read_timeout", "how long nginx waits for an answer, then it sends 504; absent: 60s, plus limits.start_timeout unless all instances start at boot and never sleep", absentDuration(&x.ReadTimeout)},
		{"params", "fastcgi_param pairs that add to, or replace, the generated ones; without SCRIPT_FILENAME php-cgi and fcgiwrap run the file below root that the path names", nginxParams(&x.Params)},
	}
}

func webFields(w *Web) []field {
	return []field{
		{"root", "document root for HAProxy, which has none of its own", absolute(&w.Root)},
		{"connections", "connections per worker that HAProxy, and each process of Apache, opens at once; more requests wait there for limits.queue_wait and are then answered 503. 1: requests wait in the web server, and any free worker takes the next; more: also for programs that serve several at once (Go, threads), and for bursts while an instance starts", number(&w.Connections, 1, 10_000)},
	}
}

func systemdFields(s *Systemd) []field {
	return []field{
		{"socket", "more [Socket] directives; those of fcgisup are refused", directives(&s.Socket, ownedSocket)},
		{"service", "more [Service] directives; those of fcgisup are refused; lists (SystemCallFilter, ReadWritePaths, …) add to those of the sandbox, and an empty list removes them", directives(&s.Service, ownedService)},
		{"sandbox", "basic: what no program notices; strict: no set-user-ID helpers (sendmail), no homes, no unusual system calls, for apps that fcgisup sandbox APP finds nothing for; off: none", kindly("one of basic, strict, off", value(&s.Sandbox, parseSandbox))},
		{"supervise", "false: systemd runs the program itself", boolean(&s.Supervise)},
	}
}
