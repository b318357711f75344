package peers

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
)

const apacheConfig = `ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/pid
Listen %[2]s
ServerName localhost
User %[3]s
Group %[3]s
ErrorLog /dev/null
LoadModule mpm_event_module %[4]smod_mpm_event.so
LoadModule authz_core_module %[4]smod_authz_core.so
LoadModule fcgid_module %[4]smod_fcgid.so
ThreadsPerChild 64
MaxRequestWorkers 512
ServerLimit 8
ThreadLimit 64
FcgidIPCDir %[1]s/sock
FcgidProcessTableFile %[1]s/shm
FcgidMaxProcessesPerClass %[5]d
FcgidMinProcessesPerClass %[5]d
FcgidMaxProcesses %[6]d
%[7]sDocumentRoot %[1]s
<Location />
	Require all granted
	Options +ExecCGI
	SetHandler fcgid-script
	FcgidWrapper "%[8]s" virtual
</Location>
`

// modFcgid is Apache's mod_fcgid; Apache is then the web server, in nginx's place.
func modFcgid() Peer {
	const path, modules = "/usr/sbin/apache2", "/usr/lib/apache2/modules/"
	return &peer{name: "mod_fcgid", files: []string{path, modules + "mod_fcgid.so"}, unable: needsSystemd(func(_ *Host, s Spec) string {
		if s.Backlog != 0 && s.Backlog < 4096 {
			return "its sockets' backlog cannot be set"
		}
		if s.Program.PHP {
			return "measured with C and Perl; for PHP it is the same php-cgi"
		}
		return ""
	}), start: func(ctx context.Context, s *Service) error {
		address, err := freePort()
		if err != nil {
			return err
		}
		s.Web, s.follows = address, true
		root, config := s.host.path(s.Spec, "-apache"), s.host.path(s.Spec, ".conf")
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
		write := func(workers int) error {
			busy := ""
			if t := s.Spec.RequestTimeout; t > 0 {
				busy = fmt.Sprintf("FcgidBusyTimeout %d\nFcgidBusyScanInterval 1\n", int(t.Seconds()))
			}
			return s.host.write(config, fmt.Sprintf(apacheConfig, root, address, s.host.User, modules, workers, max(workers, 1000), busy, command(s.Spec)))
		}
		if err := write(s.Spec.Workers); err != nil {
			return err
		}
		s.ops[Reload] = s.bySignal("apachectl graceful", syscall.SIGUSR1)
		s.ops[Restart] = s.bySignal("apachectl restart", syscall.SIGHUP)
		s.ops[Scale] = Action{How: "FcgidMaxProcessesPerClass doubled and apachectl graceful", Do: func(context.Context) error {
			if err := write(2 * s.Spec.Workers); err != nil {
				return err
			}
			return s.signal(syscall.SIGUSR1)
		}}
		s.ops[Upgrade] = s.unitRestart()
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: []string{path, "-f", config, "-D", "FOREGROUND"}, service: []string{"Restart=on-abort", "KillMode=mixed"}})
	}}
}

// lighttpd is lighttpd's mod_fastcgi with bin-path; lighttpd is then the web server, in nginx's place.
func lighttpd() Peer {
	const path = "/usr/sbin/lighttpd"
	return &peer{name: "lighttpd", files: []string{path}, unable: needsSystemd(func(_ *Host, s Spec) string {
		if s.Program.PHP {
			return "measured with C and Perl; for PHP it is the same php-cgi"
		}
		return ""
	}), start: func(ctx context.Context, s *Service) error {
		address, err := freePort()
		if err != nil {
			return err
		}
		s.Web = address
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		config := s.host.path(s.Spec, ".conf")
		write := func(workers int) error {
			least := workers
			if s.Spec.Lazy {
				least = 0
			}
			return s.host.write(config, fmt.Sprintf(`server.modules = ("mod_fastcgi")
server.document-root = "%[1]s"
server.bind = "%[2]s"
server.port = %[3]s
server.username = "%[4]s"
server.groupname = "%[4]s"
server.upload-dirs = ("%[1]s")
server.max-fds = 65536
server.errorlog = "/dev/null"
fastcgi.server = ("/" => (("bin-path" => "%[5]s", "socket" => "%[6]s", "max-procs" => %[7]d, "min-procs" => %[8]d,
	%[9]s"check-local" => "disable", "fix-root-scriptname" => "enable")))
`, s.host.Dir, host, port, s.host.User, command(s.Spec), s.host.path(s.Spec, ".sock"), workers, least, s.Spec.backlog("\"listen-backlog\" => %d, ")))
		}
		if err := write(s.Spec.Workers); err != nil {
			return err
		}
		s.ops[Reload] = s.bySignal("SIGUSR1 (systemctl reload)", syscall.SIGUSR1)
		s.ops[Restart] = s.unitRestart()
		s.ops[Scale] = Action{How: "max-procs doubled and SIGUSR1", Do: func(context.Context) error {
			if err := write(2 * s.Spec.Workers); err != nil {
				return err
			}
			return s.signal(syscall.SIGUSR1)
		}}
		s.ops[Upgrade] = s.bySignal("SIGUSR1, which executes the new program", syscall.SIGUSR1)
		return s.launch(ctx, daemon{name: s.Spec.Name, argv: []string{path, "-D", "-f", config}, service: []string{"Restart=on-failure"}})
	}}
}
