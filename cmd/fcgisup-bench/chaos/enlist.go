package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// enlist makes the members of an app.
func (f *fleet) enlist(ctx context.Context, s spec) error {
	c, err := f.configure(s)
	if err != nil {
		return err
	}
	active, begun := &atomic.Int32{}, &atomic.Int32{}
	targets, sockets, err := f.sockets(c)
	if err != nil {
		return err
	}
	supervisors := 1
	if s.split {
		supervisors = s.instances
	}
	for n := 1; n <= supervisors; n++ {
		m := &member{spec: s, name: s.member(n), instance: n, conf: c, targets: targets, active: active, begun: begun}
		held := sockets
		if s.split {
			m.targets = targets[n-1 : n]
			if len(sockets) > 0 {
				held = sockets[n-1 : n]
			}
		}
		if err := f.supervise(ctx, m, held); err != nil {
			return err
		}
		f.members = append(f.members, m)
		f.rec.enlisted(m.name, s.most())
	}
	return nil
}

// configure writes the app's program and configuration.
func (f *fleet) configure(s spec) (*config, error) {
	program, err := f.program(s)
	if err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return nil, err
	}
	owner := fmt.Sprintf("user: %s\n    group: %s\n    socket: {user: %[1]s, group: %[2]s, backlog: BACKLOG}", me.Username, group.Name)
	if os.Geteuid() == 0 { // as it will be, and nginx's user is there to ask
		owner = "socket: {backlog: BACKLOG}"
	}
	c := &config{path: filepath.Join(f.disk, s.app+".yaml"), command: "[" + program, owner: owner, spec: s, interval: "500ms"}
	if s.app == "hog" {
		c.command += ", none"
	}
	c.command += "]"
	c.listen = filepath.Join(f.disk, s.app+"%i.sock")
	if s.network == "tcp" {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		c.listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	return c, c.write()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// program puts the app's program on the disk, under the app's name.
func (f *fleet) program(s spec) (string, error) {
	path := filepath.Join(f.disk, s.app+".fcgi")
	source := filepath.Join(f.opt.Programs, s.program)
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	if s.app == "php" {
		if err := os.WriteFile(filepath.Join(f.disk, s.program), text, 0o644); err != nil {
			return "", err
		}
		return path, os.Symlink(s.needs, path)
	}
	return path, os.WriteFile(path, text, 0o755)
}

// sockets are where the app listens; those that we hold are made.
func (f *fleet) sockets(c *config) (targets []target, held []*os.File, err error) {
	for n := 1; n <= c.spec.instances; n++ {
		t := target{network: c.spec.network, address: strings.Replace(c.listen, "%i", strconv.Itoa(n), 1)}
		if c.spec.app == "php" {
			t.script = filepath.Join(f.disk, c.spec.program)
		}
		targets = append(targets, t)
		if c.spec.hold != harness {
			continue
		}
		file, err := listen(t, c.spec.backlog)
		if err != nil {
			return nil, nil, err
		}
		f.later(file.Close)
		held = append(held, file)
	}
	return targets, held, nil
}

// listen makes a socket as systemd does: blocking, which package net cannot.
func listen(t target, backlog int) (*os.File, error) {
	family, address := unix.AF_UNIX, unix.Sockaddr(&unix.SockaddrUnix{Name: t.address})
	if t.network == "tcp" {
		a, err := net.ResolveTCPAddr("tcp", t.address)
		if err != nil {
			return nil, err
		}
		family, address = unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), t.address)
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil {
		err = unix.Bind(fd, address)
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err == nil && t.network == "unix" {
		err = os.Chmod(t.address, 0o666)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen on %s: %w", t.address, err), file.Close())
	}
	return file, nil
}

// supervise makes the member's keeper.
func (f *fleet) supervise(ctx context.Context, m *member, sockets []*os.File) error {
	if m.hold == bySystemd {
		return f.install(ctx, m)
	}
	runtimeDir := filepath.Join(f.disk, "run-"+m.name)
	if err := os.Mkdir(runtimeDir, 0o755); err != nil {
		return err
	}
	m.control = filepath.Join(runtimeDir, "control.sock")
	binary, err := f.binaryFor(m)
	if err != nil {
		return err
	}
	argv := []string{binary, "run", "--config", m.conf.path, "--app", m.app}
	if m.split {
		argv = append(argv, "--instance", strconv.Itoa(m.instance))
	}
	if m.hungry {
		if argv, err = f.starve(argv); err != nil {
			f.lacks("a small memory cgroup: %v", err)
			m.hungry = false
		}
	}
	r := &respawner{argv: argv, sockets: sockets, spawn: f.spawn, names: strings.Repeat(":"+m.app, len(sockets))}
	r.names = strings.TrimPrefix(r.names, ":")
	r.env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "GOTRACEBACK=all", "RUNTIME_DIRECTORY=" + runtimeDir}
	if m.deaf {
		address, err := f.deafNotify()
		if err != nil {
			return err
		}
		r.env = append(r.env, "NOTIFY_SOCKET="+address)
	}
	m.keeper = r
	return nil
}

// binaryFor is a copy of the program under test that can be replaced for this member alone.
func (f *fleet) binaryFor(m *member) (string, error) {
	dir := filepath.Join(f.dir, "bin", m.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "fcgisup")
	if err := os.Link(f.opt.Fcgisup, path); err == nil {
		return path, nil
	}
	text, err := os.ReadFile(f.opt.Fcgisup) // on another file system
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, text, 0o755)
}

// deafNotify is a systemd that never reads what it is told.
func (f *fleet) deafNotify() (string, error) {
	path := filepath.Join(f.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return "", err
	}
	f.later(conn.Close)
	return path, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
