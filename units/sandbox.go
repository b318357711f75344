package units

import (
	"path/filepath"
	"slices"
	"strings"
)

// sandbox is as much of systemd.exec(5) "Sandboxing" as any FastCGI program
// and the supervisor's view of /proc and sock_diag can live with. What is
// missing is missing for a reason: MemoryDenyWriteExecute= (just-in-time
// compilers), ProtectControlGroups= where Delegate= is, ProcSubset= (the kernel's
// limits), PrivateUsers= and IPAddressDeny= (databases), RemoveIPC= (the user
// may have other services).
func (r renderer) sandbox(s *section) {
	s.because("systemd.sandbox: strict. An app that writes elsewhere than to /tmp lists the folders in systemd.service: {ReadWritePaths: [...]}.")
	s.set("ProtectSystem", "strict")
	r.homes(s)
	r.temporary(s)
	s.because("Set-user-ID programs (sendmail, often) get no power by it. The filters below imply it: only systemd.sandbox: off undoes it.")
	s.set("NoNewPrivileges", "yes")
	s.set("CapabilityBoundingSet", "")
	withoutDevices(s)
	if !r.app.Systemd.Supervise {
		s.set("ProtectControlGroups", "yes")
	}
	withoutKernel(s)
	s.because("Other users' processes are hidden; fcgisup still sees its workers.")
	s.set("ProtectProc", "invisible")
	s.because("AF_NETLINK: the kernel tells through it which worker is busy and how many requests wait.")
	s.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK")
	fewerCalls(s)
	s.because("A refused call fails, as programs expect, instead of killing the worker.")
	s.set("SystemCallErrorNumber", "EPERM")
	s.because("Files of the app are not everybody's.")
	s.set("UMask", "0027")
}

// withoutDevices, withoutKernel and fewerCalls are what neither a FastCGI program nor
// fcgisup itself misses, systemd.exec(5).
func withoutDevices(s *section) {
	s.set("RestrictSUIDSGID", "yes")
	s.set("PrivateDevices", "yes")
	s.set("PrivateMounts", "yes")
	s.set("DevicePolicy", "closed")
	s.set("ProtectClock", "yes")
}

func withoutKernel(s *section) {
	s.set("ProtectHostname", "yes")
	s.set("ProtectKernelLogs", "yes")
	s.set("ProtectKernelModules", "yes")
	s.set("ProtectKernelTunables", "yes")
}

func fewerCalls(s *section) {
	s.set("RestrictNamespaces", "yes")
	s.set("RestrictRealtime", "yes")
	s.set("LockPersonality", "yes")
	s.set("KeyringMode", "private")
	s.set("SystemCallArchitectures", "native")
	s.set("SystemCallFilter", "@system-service")
	s.set("SystemCallFilter", "~@privileged @resources")
}

// homes closes /home unless the app lives there.
func (r renderer) homes(s *section) {
	if r.uses("/home", "/root", "/run/user") {
		s.because("The app is in there.")
		s.set("ProtectHome", "read-only")
		return
	}
	s.set("ProtectHome", "yes")
}

// temporary gives the service a /tmp of its own unless something it needs is in the real one.
func (r renderer) temporary(s *section) {
	if r.uses("/tmp", "/var/tmp") {
		s.because("A path of the configuration is in /tmp: with a private one the service would look for it in vain.")
		s.set("PrivateTmp", "no")
		s.because("A shared /tmp stays writable.")
		s.set("ReadWritePaths", "/tmp /var/tmp")
		return
	}
	s.set("PrivateTmp", "yes")
}

// uses tells whether any path that the service has to reach is within a folder.
func (r renderer) uses(folders ...string) bool {
	paths := append([]string{r.app.Directory, r.app.Listen.Path, r.app.Health.Address.Path}, r.app.Command...)
	if r.app.Systemd.Supervise {
		paths = append(paths, r.o.Binary)
		if !r.o.Inline {
			paths = append(paths, r.o.Config)
		}
	}
	return slices.ContainsFunc(paths, func(p string) bool {
		return strings.HasPrefix(p, "/") && within(filepath.Clean(p), folders...)
	})
}
