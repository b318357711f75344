package units

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/fcgisup/fcgisup"
)

// sandbox is as much of systemd.exec(5) "Sandboxing" as systemd.sandbox asks for. docs/sandbox.md
// has what each directive protects from, what it costs at a start, and what it was tried with.
func (r renderer) sandbox(s *section) {
	switch r.app.Systemd.Sandbox {
	case fcgisup.Strict:
		r.strict(s)
	case fcgisup.Basic:
		r.basic(s)
	case fcgisup.Off:
	}
}

// basic is what no program notices that a plain unit would run. Nothing in it may imply
// NoNewPrivileges=, which ends set-user-ID helpers, sendmail first of all: with User= that is
// every directive that systemd implements as a system call filter (SystemCallFilter=,
// RestrictAddressFamilies=, RestrictNamespaces=, RestrictRealtime=, RestrictSUIDSGID=,
// LockPersonality=, MemoryDenyWriteExecute=, PrivateDevices=, ProtectClock=,
// ProtectHostname=, ProtectKernel*=), systemd.exec(5). Nor may it take capabilities from
// the bounding set, which helpers that become root need.
func (r renderer) basic(s *section) {
	s.because("systemd.sandbox: basic. /usr and /boot are read-only, also for helpers that become root. Other files keep their permissions.")
	s.set("ProtectSystem", "yes")
	s.because("Programs that are not from a package keep their caches and sessions there.")
	s.set("ReadWritePaths", "-/usr/local")
	r.temporary(s)
	s.set("PrivateMounts", "yes")
	s.set("DevicePolicy", "closed")
	s.set("ProtectControlGroups", "yes")
	r.processes(s)
	s.because("The keyring is not shared with other services of this user.")
	s.set("KeyringMode", "private")
}

// strict is what only programs can live with that use no set-user-ID helper and nothing unusual
// of the kernel's. What is missing is missing for a reason: ProtectSystem=strict and
// RestrictSUIDSGID= (programs write below /var, and make set-group-ID directories there),
// "SystemCallFilter=~@privileged @resources" (libraries change owners and priorities),
// MemoryDenyWriteExecute= (just-in-time compilers), ProcSubset= (the kernel's limits),
// PrivateUsers= and IPAddressDeny= (databases), RemoveIPC= (the user may have other services).
func (r renderer) strict(s *section) {
	s.because("systemd.sandbox: strict. \"fcgisup sandbox APP\" lists what it forbids a program.")
	s.set("ProtectSystem", "full")
	r.homes(s)
	r.temporary(s)
	s.because("Set-user-ID programs (often sendmail) get no privileges. The filters below imply it; sandbox: basic has none.")
	s.set("NoNewPrivileges", "yes")
	s.set("CapabilityBoundingSet", "")
	withoutDevices(s)
	s.set("ProtectControlGroups", "yes")
	withoutKernel(s)
	r.processes(s)
	s.because("AF_NETLINK: socket tables, which show busy workers and waiting requests.")
	s.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK")
	fewerCalls(s)
	s.because("A refused call fails, as programs expect, instead of killing the worker.")
	s.set("SystemCallErrorNumber", "EPERM")
	s.because("New files of the app are not readable by every user.")
	s.set("UMask", "0027")
}

func (r renderer) processes(s *section) {
	s.because("Other users' processes are hidden; fcgisup still sees its workers.")
	s.set("ProtectProc", "invisible")
}

// withoutDevices, withoutKernel and fewerCalls are what neither a FastCGI program nor
// fcgisup itself misses, systemd.exec(5).
func withoutDevices(s *section) {
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
}

// homes closes /home unless the app lives there.
func (r renderer) homes(s *section) {
	if r.uses("/home", "/root", "/run/user") {
		s.because("The app is there.")
		s.set("ProtectHome", "read-only")
		return
	}
	s.set("ProtectHome", "yes")
}

// temporary gives the service a /tmp of its own unless something it needs is in the real one.
func (r renderer) temporary(s *section) {
	if r.uses("/tmp", "/var/tmp") {
		s.because("A path of the configuration is in /tmp; a private /tmp would hide it.")
		s.set("PrivateTmp", "no")
		return
	}
	s.set("PrivateTmp", "yes")
}

// uses reports whether any path that the service has to reach is within a directory.
func (r renderer) uses(folders ...string) bool {
	paths := append(r.app.Paths(), r.app.Listen.Path, r.app.Health.Address.Path)
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
