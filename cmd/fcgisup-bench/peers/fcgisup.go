package peers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// shape is how an app's workers are arranged.
type shape int

const (
	shared       shape = iota // one socket
	separate                  // a socket each
	elastic                   // one socket, and as many as are needed
	unboxed                   // one socket, without systemd's sandbox
	hurried                   // one socket, with a shorter queue_wait
	hurriedApart              // a socket each, with a shorter queue_wait
	forked                    // one socket, and a template process that the workers are forked from
)

func (f shape) yaml(workers int) string {
	switch f {
	case separate, hurriedApart:
		return fmt.Sprintf("instances: %d", workers)
	case elastic:
		return fmt.Sprintf("workers: {min: 1, max: %d, spare: 1}", workers)
	case forked:
		return fmt.Sprintf("workers: {min: %d, max: %[1]d, prefork: perl}", workers)
	default:
		return fmt.Sprintf("workers: %d", workers)
	}
}

// fcgisup is run by the units that it generates, behind the nginx files that it generates.
func fcgisup(name string, f shape) Peer {
	return &peer{name: name, unable: func(h *Host, s Spec) string {
		if h.Fcgisup == "" {
			return "no fcgisup was given"
		}
		if f == forked && !s.Program.Perl {
			return "forks Perl programs only"
		}
		return h.missing(h.Fcgisup)
	}, start: func(ctx context.Context, s *Service) error {
		a := &app{s, f, s.host.path(s.Spec, ".yaml")}
		s.follows = f == elastic
		if err := a.configure(s.Spec.Workers); err != nil {
			return err
		}
		gen := s.host.path(s.Spec, "-gen")
		if err := run(ctx, s.host.Fcgisup, "gen", "--config", a.config, "--binary", s.host.Fcgisup, "--out", gen); err != nil {
			return err
		}
		s.front = front{include: gen + "/nginx/" + s.Spec.Name + "-upstream.conf", location: gen + "/nginx/" + s.Spec.Name + "-location.conf"}
		for i := range a.instances() {
			s.Sockets = append(s.Sockets, s.host.path(s.Spec, fmt.Sprintf("-%d.sock", i+1)))
		}
		if s.host.Systemd {
			return a.startUnits(ctx, gen)
		}
		runtime := s.host.path(s.Spec, "-run")
		if err := os.MkdirAll(runtime, 0o755); err != nil {
			return err
		}
		a.operate("--control", runtime+"/control.sock")
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: []string{s.host.Fcgisup, "run", "--config", a.config}, env: []string{"RUNTIME_DIRECTORY=" + runtime}})
	}}
}

type app struct {
	*Service
	shape  shape
	config string
}

func (a *app) instances() int {
	if a.shape == separate || a.shape == hurriedApart {
		return a.Spec.Workers
	}
	return 1
}

// configure writes the app's configuration for a number of workers.
func (a *app) configure(workers int) error {
	s := a.Spec
	var keys []string
	add := func(format string, args ...any) { keys = append(keys, fmt.Sprintf(format, args...)) }
	add("command: [%s]", strings.Join(s.Program.Command, ", "))
	owner, group, err := a.owner()
	if err != nil {
		return err
	}
	add("user: %s", owner)
	add("group: %s", group)
	add("socket: {user: %s, group: %s, mode: \"0666\"%s}", owner, group, s.backlog(", backlog: %d"))
	add("%s", a.shape.yaml(workers))
	add("listen: %s", a.host.path(s, "-%i.sock"))
	if !s.Lazy {
		add("activation: eager")
	}
	if env := s.Program.Env; len(env) > 0 {
		add("environment: {%s}", pairs(env))
	}
	limits := map[string]string{}
	if s.RequestTimeout > 0 {
		limits["request_timeout"] = s.RequestTimeout.String()
	}
	if a.shape == hurried || a.shape == hurriedApart {
		limits["queue_wait"] = "700ms"
	}
	if len(limits) > 0 {
		add("limits: {%s}", pairs(limits))
	}
	if s.Probe > 0 {
		add("health: {interval: %s, timeout: %s, failures: 2}", s.Probe, s.Probe)
	}
	sandbox := "strict"
	if a.shape == unboxed {
		sandbox = "off"
	}
	add("systemd: {sandbox: %s, service: {ReadWritePaths: [%s]}}", sandbox, strings.Join(s.Program.Writes, ", "))
	params := map[string]string{"SCRIPT_NAME": "", "PATH_INFO": "$uri"}
	maps.Copy(params, s.Program.Params)
	add("nginx: {upstream: %s, params: {%s}}", s.Name, pairs(params))
	return a.host.write(a.config, fmt.Sprintf("apps:\n  %s:\n    %s\n", s.Name, strings.Join(keys, "\n    ")))
}

// pairs is a map as YAML has it between braces.
func pairs(of map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(of)) {
		all = append(all, fmt.Sprintf("%s: %q", key, of[key]))
	}
	return strings.Join(all, ", ")
}

func (a *app) owner() (name, group string, err error) {
	if a.host.User != "" {
		return a.host.User, a.host.User, nil
	}
	me, err := user.Current()
	if err != nil {
		return "", "", err
	}
	mine, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return "", "", err
	}
	return me.Username, mine.Name, nil
}

func (a *app) startUnits(ctx context.Context, gen string) error {
	files, err := filepath.Glob(gen + "/systemd/*")
	if err != nil {
		return err
	}
	var installed []string
	for _, file := range files {
		target := "/etc/systemd/system/" + filepath.Base(file)
		installed = append(installed, target)
		if err := run(ctx, "cp", "-r", file, target); err != nil {
			return err
		}
	}
	name := a.Spec.Name
	a.atEnd(func(ctx context.Context) error {
		return endUnits(ctx, []string{name + "-fastcgi.target", name + "-fastcgi@*.service", name + "-fastcgi@*.socket"}, installed...)
	})
	a.cgroups = append(a.cgroups, "system.slice/system-"+name+`\\x2dfastcgi.slice`) // the pattern's own escape
	a.operate()
	return run(ctx, "systemctl", "start", name+"-fastcgi.target")
}

// operate fills in the ops; more are flags of the commands.
func (a *app) operate(more ...string) {
	command := func(word string) func(context.Context) error {
		return func(ctx context.Context) error {
			return run(ctx, append([]string{a.host.Fcgisup, word, a.Spec.Name, "--config", a.config}, more...)...)
		}
	}
	a.ops[Restart] = Action{How: "fcgisup restart", Do: command("restart")}
	// A reload that changes nothing would be no test: the workers' environment changes.
	a.ops[Reload] = Action{How: "fcgisup reload, with another environment", Do: func(ctx context.Context) error {
		env := map[string]string{"BENCH_RELOAD": number(int(time.Now().Unix()))}
		maps.Copy(env, a.Spec.Program.Env)
		a.Spec.Program.Env = env
		if err := a.configure(a.Spec.Workers); err != nil {
			return err
		}
		return command("reload")(ctx)
	}}
	resize := func(workers int) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := a.configure(workers); err != nil {
				return err
			}
			return command("reload")(ctx)
		}
	}
	a.ops[Scale] = Action{How: "workers doubled, then halved, and fcgisup reload", Do: resize(2 * a.Spec.Workers), Back: resize(a.Spec.Workers)}
	if a.instances() > 1 {
		a.ops[Scale] = Action{Reason: "measured with one socket; with several it is `fcgisup apply`"}
	}
	a.ops[Upgrade] = Action{How: "another program file and systemctl reload", Do: a.upgrade}
	if !a.host.Systemd {
		a.ops[Upgrade] = Action{Reason: "needs systemd: run as root"}
	}
}

// upgrade replaces the program's file by a copy of itself, as a package does.
func (a *app) upgrade(ctx context.Context) error {
	next := a.host.Fcgisup + ".next"
	if err := run(ctx, "cp", a.host.Fcgisup, next); err != nil {
		return err
	}
	if err := os.Rename(next, a.host.Fcgisup); err != nil {
		return err
	}
	return run(ctx, "systemctl", "reload", a.Spec.Name+"-fastcgi@*.service")
}
