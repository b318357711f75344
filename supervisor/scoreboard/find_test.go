package scoreboard

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestFind: what is seen of a listener without its descriptor is what is there.
func TestFind(t *testing.T) {
	for network, addr := range map[string]string{
		"unix": filepath.Join(t.TempDir(), "a.sock"), "tcp": "127.0.0.1:0", "tcp6": "[::1]:0",
	} {
		t.Run(network, func(t *testing.T) {
			server, err := net.Listen(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			addr, kind := server.Addr().String(), network
			if kind != "unix" {
				kind = "tcp"
			}
			var clients []net.Conn
			for range 3 {
				c, err := net.Dial(network, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				clients = append(clients, c)
			}
			accepted, err := server.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			l, err := Find(kind, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := l.Look()
			if s.QueueErr != nil || s.ConnsErr != nil || s.Queue.Length != 2 || len(s.Conns) != 1 || s.Conns[0].Gone {
				t.Fatalf("%+v", s)
			}
			if capacity, known := s.Queue.Capacity.Value(); !known || capacity < 128 {
				t.Errorf("capacity %v", s.Queue.Capacity)
			}
			_ = clients[0].Close()
			if conns, err := l.Accepted(); err != nil || len(conns) != 1 || !conns[0].Gone {
				t.Errorf("after the client has gone: %v, %v", conns, err)
			}
		})
	}
}

func TestFindNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	server, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	server.SetUnlinkOnClose(false)
	_ = server.Close()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	for network, addr := range map[string]string{"unix": path, "tcp": "127.0.0.1:" + port} {
		if _, err := Find(network, addr); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if _, err := Find("unix", path+".none"); !errors.Is(err, ErrGone) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	if _, err := Find("tcp", "nonsense"); err == nil {
		t.Error("nonsense is found")
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
