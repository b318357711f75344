package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/deploy"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/peer"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/nginx"
)

// gatherNginx reads what nginx reads. Without root nginx does not print it, so
// the files are read instead, as they are also when nginx refuses them.
func (f *facts) gatherNginx(ctx context.Context) error {
	binary, ok := nginx.Binary()
	if !ok {
		f.note("no-nginx", "nginx", "It is not installed here, so no upstream was examined.", "")
		return nil
	}
	w := &webFacts{}
	f.web = w
	var err error
	if w.build, err = nginx.Built(ctx, binary); err != nil {
		f.note("nginx-not-read", "nginx", err.Error()+".", binary+" -V")
		return nil
	}
	masters, workers, err := webProcesses()
	if err != nil {
		return err
	}
	w.workers = workers
	for _, pid := range masters {
		if argv := otherConfig(pid); argv != "" {
			f.note("nginx-other-configuration", "nginx", fmt.Sprintf("Process %d has another configuration, which was not examined: %s.", pid, argv), "")
		}
	}
	if w.effective, err = nginx.Read(ctx, binary); err == nil {
		w.canonical()
		w.newer = newerThan(w.workers, w.effective.Files)
		return nil
	}
	switch {
	case !errors.Is(err, nginx.ErrRefused):
		f.note("nginx-not-read", "nginx", err.Error()+".", binary+" -T")
	case term.IsRoot():
		w.refused = strings.TrimPrefix(err.Error(), nginx.ErrRefused.Error()+": ")
	default:
		f.note("nginx-not-read", "nginx", "Only root can run nginx -T; its readable files were examined.", "sudo fcgisup doctor")
	}
	if w.effective, err = nginx.ReadFiles(w.build.Config); err != nil {
		f.note("nginx-not-read", w.build.Config, err.Error()+".", "sudo nginx -T")
		w.effective = nil
		return nil
	}
	w.canonical()
	return nil
}

// canonical follows links, and finds the files that gen has made.
func (w *webFacts) canonical() {
	w.made = map[string]string{}
	for _, p := range w.effective.Passes {
		w.made[p.File] = deploy.MakerOf(p.File)
	}
	for _, u := range w.effective.Upstreams {
		w.made[u.File] = deploy.MakerOf(u.File)
	}
	for i := range w.effective.Passes {
		p := &w.effective.Passes[i]
		p.Address = peer.Canonical(p.Address)
	}
	for _, u := range w.effective.Upstreams {
		for i := range u.Servers {
			u.Servers[i].Address = peer.Canonical(u.Servers[i].Address)
		}
	}
}

// gatherAccess tries, as the web server, every unix socket that it passes to.
func (f *facts) gatherAccess() {
	if f.web == nil || f.web.effective == nil {
		return
	}
	who, pid, err := f.webServer()
	if err == nil {
		f.web.who = &who
	}
	var paths []string
	for _, b := range f.backends() {
		if b.address.Network == "unix" {
			paths = append(paths, b.address.Addr)
		}
	}
	if len(paths) == 0 {
		return
	}
	if err == nil {
		f.web.access, err = tryAll(who, pid, paths)
	}
	if err != nil {
		f.note("web-user-not-tried", "nginx", "Its access to the sockets was not tested: "+err.Error()+".", "sudo fcgisup doctor")
	}
}

// webProcesses are nginx's masters and those of their workers that take requests, the youngest first.
func webProcesses() (masters []int, workers []nginx.Process, err error) {
	if masters, err = nginx.Masters(); err != nil {
		return nil, nil, err
	}
	leaving, err := nginx.Leaving(masters...)
	if err != nil {
		return nil, nil, err
	}
	if workers, err = nginx.Workers(masters...); err != nil {
		return nil, nil, err
	}
	workers = slices.DeleteFunc(workers, func(p nginx.Process) bool { return slices.Contains(leaving, p) })
	slices.SortFunc(workers, func(a, b nginx.Process) int { return cmp.Compare(b.Started, a.Started) })
	return masters, workers, nil
}

// otherConfig is the command line of a master that was told where its configuration is, nginx(8) "-c" and "-p".
func otherConfig(pid int) string {
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	argv := strings.Fields(strings.ReplaceAll(string(title), "\x00", " "))
	if !slices.ContainsFunc(argv, func(arg string) bool { return strings.HasPrefix(arg, "-c") || strings.HasPrefix(arg, "-p") }) {
		return ""
	}
	return strings.Join(argv, " ")
}

// ticksPerSecond is USER_HZ, in which the kernel tells when a process began: 100 everywhere.
const ticksPerSecond = 100

// newerThan are the files that have changed since the youngest worker began, with a second for the clocks.
func newerThan(workers []nginx.Process, files []string) []string {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil || len(workers) == 0 {
		return nil
	}
	boot := time.Now().Add(-time.Duration(up.Nano()))
	began := boot.Add(time.Duration(workers[0].Started) * (time.Second / ticksPerSecond))
	var newer []string
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(began.Add(time.Second)) {
			newer = append(newer, file)
		}
	}
	return newer
}

// webServer is whom nginx's workers run as, and one of them if there is any:
// what counts is what they are, not what they would be after a reload.
func (f *facts) webServer() (access.Credentials, int, error) {
	for _, w := range f.web.workers {
		if who, err := access.CredentialsOf(w.PID); err == nil {
			f.web.user = fcgisup.UserName(who.UID)
			return who, w.PID, nil
		}
	}
	f.web.user = f.web.build.User
	if f.web.effective.User != "" {
		f.web.user = f.web.effective.User
	}
	who, err := access.Lookup(f.web.user, f.web.effective.Group)
	return who, 0, err
}

// resolveTimeout is how long a name may take to be looked up.
const resolveTimeout = 2 * time.Second

// gatherHosts looks up the names that nginx passes to, as it does at its start.
func (f *facts) gatherHosts(ctx context.Context) {
	if f.web == nil || f.web.effective == nil {
		return
	}
	f.web.hosts = map[string][]netip.Addr{}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	for _, a := range f.targets() {
		host, _, err := net.SplitHostPort(a.Addr)
		if _, bad := netip.ParseAddr(host); a.Network != "tcp" || err != nil || bad == nil || f.web.hosts[host] != nil {
			continue
		}
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // no address: no finding
		f.web.hosts[host] = []netip.Addr{}
		for _, ip := range found {
			if ip = ip.Unmap(); ip.IsLoopback() || slices.Contains(f.own, ip) {
				f.web.hosts[host] = append(f.web.hosts[host], ip)
			}
		}
	}
}

// tryAll tries to connect to the sockets as the web server, in the mount namespace of a process.
func tryAll(who access.Credentials, pid int, paths []string) (map[fcgisup.Address]access.Result, error) {
	tried, err := access.TryAs(who, pid, unix.W_OK, paths...)
	all := map[fcgisup.Address]access.Result{}
	for path, x := range tried {
		_, here := os.Stat(path)
		x.Hidden = x.Missing && here == nil
		all[fcgisup.Address{Network: "unix", Addr: path}] = x
	}
	return all, err
}
