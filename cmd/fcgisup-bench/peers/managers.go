package peers

import (
	"context"
	"fmt"
	"strings"
	"syscall"
)

// supervisor is Supervisor's [fcgi-program] under Debian's unit.
func supervisor() Peer {
	const daemonPath, controlPath = "/usr/bin/supervisord", "/usr/bin/supervisorctl"
	return &peer{name: "Supervisor", files: []string{daemonPath, controlPath}, unable: needsSystemd(notLazy("it starts all at once")), start: func(ctx context.Context, s *Service) error {
		config, socket := s.host.path(s.Spec, ".conf"), s.host.path(s.Spec, ".sock")
		s.Sockets = []string{socket}
		write := func(workers int) error {
			var env []string
			for _, pair := range s.Spec.environment() {
				key, value, _ := strings.Cut(pair, "=")
				env = append(env, fmt.Sprintf("%s=%q", key, value))
			}
			return s.host.write(config, fmt.Sprintf(`[unix_http_server]
file=%[1]s.ctl
[supervisord]
logfile=/dev/null
logfile_maxbytes=0
pidfile=%[1]s.pid
minfds=%[8]d
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s.ctl
[fcgi-program:app]
command=%[2]s
socket=unix://%[3]s
socket_owner=%[4]s
socket_mode=0666
%[5]suser=%[4]s
numprocs=%[6]d
process_name=%%(program_name)s_%%(process_num)d
environment=%[7]s
`, s.host.path(s.Spec, ""), command(s.Spec), socket, s.host.User, s.Spec.backlog("socket_backlog=%d\n"), workers, strings.Join(env, ","), 1024+8*workers))
		}
		if err := write(s.Spec.Workers); err != nil {
			return err
		}
		ctl := func(words ...string) func(context.Context) error {
			return func(ctx context.Context) error {
				return run(ctx, append([]string{controlPath, "-c", config}, words...)...)
			}
		}
		s.ops[Reload] = Action{How: "supervisorctl reload", Do: ctl("reload")}
		s.ops[Restart] = Action{How: "supervisorctl restart app:*", Do: ctl("restart", "app:*")}
		s.ops[Scale] = Action{How: "numprocs doubled and supervisorctl update", Do: func(ctx context.Context) error {
			if err := write(2 * s.Spec.Workers); err != nil {
				return err
			}
			return ctl("update")(ctx)
		}}
		s.ops[Upgrade] = s.unitRestart()
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: []string{daemonPath, "-n", "-c", config}, service: []string{"Restart=on-failure", "RestartSec=50s"}})
	}}
}

// uwsgi is uWSGI's master with --worker-exec, its way to serve a program that is not its own. Debian's unit for apps has
// no Restart=; it gets always.
func uwsgi() Peer {
	const path = "/usr/bin/uwsgi"
	return &peer{name: "uWSGI", files: []string{path}, unable: needsSystemd(func(_ *Host, s Spec) string {
		if len(s.Program.Command) > 1 {
			return "--worker-exec takes no arguments"
		}
		return notLazy("--worker-exec workers start at once: --cheap is for its own plugins")(nil, s)
	}), start: func(ctx context.Context, s *Service) error {
		socket := s.host.path(s.Spec, ".sock")
		s.Sockets = []string{socket}
		argv := []string{
			path, "--master", "--fastcgi-socket", socket, "--chmod-socket=666", "--processes", number(s.Spec.Workers),
			"--uid", s.host.User, "--gid", s.host.User, "--disable-logging", "--worker-exec", s.Spec.Program.Command[0],
		}
		if backlog := s.Spec.backlog("%d"); backlog != "" {
			argv = append(argv, "--listen", backlog)
		}
		// Workers of --worker-exec do not hear the master's SIGHUP. It waits for them as long as --worker-reload-mercy says,
		// by default a minute, and kills them.
		s.ops[Reload] = s.bySignal("SIGHUP, its graceful reload, which kills workers of --worker-exec after 60 s", syscall.SIGHUP)
		s.ops[Restart] = s.unitRestart()
		s.ops[Scale] = Action{Reason: "--processes is read at its start"}
		s.ops[Upgrade] = s.bySignal("SIGHUP, which executes the new program when the workers have gone: after 60 s", syscall.SIGHUP)
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: argv, env: s.Spec.environment(), service: []string{"Restart=always", "KillSignal=SIGQUIT"}})
	}}
}

// phpFPM is PHP's own manager, under Debian's unit, with a pool of one kind.
func phpFPM(kind string) Peer {
	const path = "/usr/sbin/php-fpm8.2"
	return &peer{name: "PHP-FPM " + kind, files: []string{path}, unable: needsSystemd(func(_ *Host, s Spec) string {
		switch {
		case !s.Program.PHP:
			return "runs PHP only"
		case s.Lazy && kind != "ondemand":
			return "starts its first processes at once"
		}
		return ""
	}), start: func(ctx context.Context, s *Service) error {
		config, socket := s.host.path(s.Spec, ".conf"), s.host.path(s.Spec, ".sock")
		s.Sockets, s.follows = []string{socket}, kind != "static"
		write := func(workers int) error {
			timeout := ""
			if s.Spec.RequestTimeout > 0 {
				timeout = fmt.Sprintf("request_terminate_timeout = %d\n", int(s.Spec.RequestTimeout.Seconds()))
			}
			spare := ""
			if kind == "dynamic" {
				spare = fmt.Sprintf("pm.start_servers = %d\npm.min_spare_servers = 1\npm.max_spare_servers = %d\n", max(1, workers/2), workers)
			}
			return s.host.write(config, fmt.Sprintf(`[global]
error_log = /dev/null
[pool]
listen = %s
listen.mode = 0666
%suser = %s
group = %[3]s
pm = %s
pm.max_children = %d
%s%s`, socket, s.Spec.backlog("listen.backlog = %d\n"), s.host.User, kind, workers, spare, timeout))
		}
		if err := write(s.Spec.Workers); err != nil {
			return err
		}
		s.ops[Reload] = s.bySignal("SIGUSR2 (systemctl reload)", syscall.SIGUSR2)
		s.ops[Restart] = s.unitRestart()
		s.ops[Scale] = Action{How: "pm.max_children doubled and SIGUSR2", Do: func(context.Context) error {
			if err := write(2 * s.Spec.Workers); err != nil {
				return err
			}
			return s.signal(syscall.SIGUSR2)
		}}
		s.ops[Upgrade] = s.bySignal("SIGUSR2, which executes the new program", syscall.SIGUSR2)
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: []string{path, "--nodaemonize", "--fpm-config", config}, service: []string{"Type=notify"}})
	}}
}
