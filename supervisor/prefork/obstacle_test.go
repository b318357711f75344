package prefork

import (
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestObstacle(t *testing.T) {
	t.Parallel()
	one := func(f File) Process {
		return Process{Threads: 1, Files: []File{{FD: 1, Name: "pipe:[1]", Flags: unix.O_WRONLY}, f}}
	}
	for name, c := range map[string]struct {
		p     Process
		allow string
		want  string // part of the reason; empty: none
	}{
		"only its output":               {p: one(File{FD: 2, Name: "pipe:[1]", Flags: unix.O_WRONLY})},
		"its script":                    {p: one(File{FD: 3, Name: "/srv/app.fcgi", Flags: unix.O_RDONLY, Regular: true})},
		"a log":                         {p: one(File{FD: 3, Name: "/var/log/app", Flags: unix.O_WRONLY | unix.O_APPEND, Regular: true})},
		"the system's log":              {p: one(File{FD: 3, Name: "socket:[7]", Flags: unix.O_RDWR, Peer: "/run/systemd/journal/dev-log", Datagram: true})},
		"a device":                      {p: one(File{FD: 3, Name: "/dev/null", Flags: unix.O_RDWR})},
		"a socket that is nowhere":      {p: one(File{FD: 3, Name: "socket:[7]", Flags: unix.O_RDWR})},
		"a database over TCP":           {p: one(File{FD: 3, Name: "socket:[7]", Flags: unix.O_RDWR, Peer: "127.0.0.1:5432"}), want: "connected to 127.0.0.1:5432 before it accepts"},
		"another address is allowed":    {p: one(File{FD: 3, Name: "socket:[7]", Peer: "127.0.0.1:5432"}), allow: "127.0.0.1:5433", want: "127.0.0.1:5432"},
		"it is allowed":                 {p: one(File{FD: 3, Name: "socket:[7]", Peer: "127.0.0.1:5432"}), allow: "127.0.0.1:5432"},
		"a database over a unix socket": {p: one(File{FD: 3, Name: "socket:[7]", Peer: "/run/mysqld/mysqld.sock"}), want: "connected to /run/mysqld/mysqld.sock"},
		"a stream to a log":             {p: one(File{FD: 3, Name: "socket:[7]", Peer: "/dev/log"}), want: "connected to /dev/log"},
		"a database in a file":          {p: one(File{FD: 3, Name: "/var/lib/app.db", Flags: unix.O_RDWR | unix.O_CLOEXEC, Regular: true}), want: "/var/lib/app.db for reading and writing"},
		"that is allowed":               {p: one(File{FD: 3, Name: "/var/lib/app.db", Flags: unix.O_RDWR, Regular: true}), allow: "/var/lib/app.db"},
		"its own listener":              {p: one(File{FD: 3, Name: "socket:[7]", Local: "0.0.0.0:80"}), want: "listens on 0.0.0.0:80"},
		"an event loop":                 {p: one(File{FD: 3, Name: "anon_inode:[eventpoll]", Flags: unix.O_RDWR}), want: "[eventpoll]"},
		"a pipe to read":                {p: one(File{FD: 3, Name: "pipe:[9]", Flags: unix.O_RDONLY}), want: "pipe"},
		"threads":                       {p: Process{Threads: 3}, want: "3 threads"},
		"a child":                       {p: Process{Threads: 1, Children: []string{"cat, process 7"}}, want: "cat, process 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.p.Obstacle([]string{c.allow}); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("the reason is %q, want %q", got, c.want)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]string{
		"":               "PERL5OPT=-I/run/x -MFcgisupPrefork",
		"PERL5OPT=":      "PERL5OPT=-I/run/x -MFcgisupPrefork",
		"PERL5OPT=-W -T": "PERL5OPT=-W -T -I/run/x -MFcgisupPrefork",
	} {
		env, err := Environment([]string{"A=1", options, "FCGISUP_PREFORK=1"}, "/run/x")
		got := strings.Join(env[len(env)-2:], " ")
		if err != nil || got != want+" FCGISUP_PREFORK=99" {
			t.Errorf("%q becomes %q (%v), want %q", options, got, err, want)
		}
	}
	if _, err := Environment(nil, "/srv/my app"); err == nil {
		t.Error("a directory with a blank is taken")
	}
}

// What a real program has open is found by its address.
func TestInspect(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	path := filepath.Join(t.TempDir(), "db.sock")
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	go func() {
		for {
			conn, err := local.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	port := netip.MustParseAddrPort(tcp.Addr().String()).Port()
	for name, c := range map[string]struct{ opens, want string }{
		"nothing": {"", ""},
		"TCP":     {"use IO::Socket::INET; our $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => " + itoa(port) + ") or die;", "connected to " + tcp.Addr().String()},
		"unix":    {"use IO::Socket::UNIX; our $s = IO::Socket::UNIX->new('" + path + "') or die; select undef, undef, undef, 0.3;", "connected to " + path},
		"pair":    {"use Socket; socketpair our $a, our $b, AF_UNIX, SOCK_STREAM, 0;", "connected to an unnamed socket"},
		"file":    {"open our $f, '+>', '" + path + ".db';", path + ".db for reading and writing"},
		"child":   {"open our $f, '|-', 'cat';", "cat, process"},
		"server":  {"use IO::Socket::INET; our $s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die;", "listens on 127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := perl(t, c.opens+serves)
			p.says(Loaded, Ready)
			found, err := p.conn.Inspect(p.cmd.Process.Pid, p.inode)
			if err != nil {
				t.Fatal(err)
			}
			// What the test binary was started with is not the program's.
			found.Files = slices.DeleteFunc(found.Files, func(f File) bool { return f.FD > Descriptor })
			if why := found.Obstacle(nil); (why == "") != (c.want == "") || !strings.Contains(why, c.want) {
				t.Errorf("the reason is %q, want %q; %+v", why, c.want, found)
			}
		})
	}
}
