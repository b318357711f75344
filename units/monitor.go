package units

import (
	"cmp"

	"github.com/fcgisup/fcgisup"
)

// MonitorUnit is the name of the monitor's service.
const MonitorUnit = "fcgisup-monitor.service"

// Monitor returns the service of "fcgisup monitor", one per host; its Path is
// [MonitorUnit]. Of the options it takes Binary, Config and Generator.
func Monitor(o Options) fcgisup.File {
	if o.Binary == "" {
		o.Binary = Binary
	}
	argv := []string{o.Binary, "monitor"}
	if o.Config != "" && o.Config != fcgisup.SystemConfig {
		argv = append(argv, "--config", o.Config)
	}
	u := section{name: "Unit"}
	u.set("Description", "fcgisup monitor: status page, metrics and alerts of all FastCGI instances")
	u.set("Documentation", "man:fcgisup-monitor(1)")
	u.set("After", "network.target")
	u.because("Without a configuration the service does not start, and its start by the package is not a failure.")
	u.set("ConditionPathExists", literal(cmp.Or(o.Config, fcgisup.SystemConfig)))
	s := section{name: "Service"}
	s.set("Type", "notify")
	s.set("NotifyAccess", "main")
	s.because("For alerts.to: url_env.")
	s.set("EnvironmentFile", "-/etc/default/fcgisup-monitor")
	s.set("ExecStart", execLine(argv))
	s.because("A signal, because systemd 252 has no Type=notify-reload.")
	s.set("ExecReload", "/bin/kill -HUP $MAINPID")
	s.because("The loop reports only while it makes progress.")
	s.set("WatchdogSec", "60s")
	s.because("At the end, messages that are being sent get some seconds.")
	s.set("KillMode", "mixed")
	s.set("Restart", "always")
	s.because("No request waits for this service.")
	s.set("RestartSec", "5s")
	s.because("For the history of 24 hours and undelivered alerts.")
	s.set("StateDirectory", "fcgisup")
	s.because("For monitor.listen: /run/fcgisup/monitor.sock. It also has the directories of the instances, which must outlive this service.")
	s.set("RuntimeDirectory", "fcgisup")
	s.set("RuntimeDirectoryMode", "0755")
	s.set("RuntimeDirectoryPreserve", "yes")
	monitorSandbox(&s)
	i := section{name: "Install"}
	i.set("WantedBy", "multi-user.target")
	return fcgisup.File{Path: MonitorUnit, Mode: 0o644, Data: unit{u, s, i}.bytes(o.Generator)}
}

// monitorSandbox leaves of root what the monitor is for.
func monitorSandbox(s *section) {
	s.because("Root, with two capabilities. systemd permits other users to restart services only with a rule of polkit, and the control",
		"sockets and FastCGI sockets belong to the users of all apps: CAP_DAC_OVERRIDE connects to them. CAP_SYS_PTRACE reads what",
		"a plain service was doing when it hangs, before it is restarted.")
	s.set("User", "root")
	s.set("CapabilityBoundingSet", "CAP_DAC_OVERRIDE CAP_SYS_PTRACE")
	s.set("NoNewPrivileges", "yes")
	s.set("ProtectSystem", "strict")
	s.because("Sockets of apps can be there and in /tmp.")
	s.set("ProtectHome", "read-only")
	s.set("PrivateTmp", "no")
	s.set("RestrictSUIDSGID", "yes")
	withoutDevices(s)
	s.set("ProtectControlGroups", "yes")
	withoutKernel(s)
	s.because("AF_NETLINK: socket tables, which show whether a service is busy or hangs. AF_INET: the page and alerts.")
	s.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK")
	fewerCalls(s)
	s.set("SystemCallFilter", "~@privileged @resources")
	s.set("SystemCallErrorNumber", "EPERM")
	s.set("UMask", "0077")
}
