package scoreboard

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestForeignKnowsItsOwn: sockets of every kind that this namespace knows are not taken for strangers'. That strangers'
// are found is shown end to end, with a client in another namespace.
func TestForeignKnowsItsOwn(t *testing.T) {
	dir, err := os.MkdirTemp("", "board-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server, err := net.Listen("unix", filepath.Join(dir, "a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	file, err := server.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l, err := Open(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	client, err := net.Dial("unix", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	datagram, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagram.Close()

	conns, err := l.Foreign([]int{os.Getpid()})
	if err != nil || len(conns) != 0 {
		t.Errorf("foreign %v, %v; want none", conns, err)
	}
}
