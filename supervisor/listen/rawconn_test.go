package listen

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// TestAcceptWithOneDescriptorLeft: a connection that is taken can be answered, even if there was room for it alone; one
// that could not be would be a request lost.
func TestAcceptWithOneDescriptorLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := On(fcgisup.Instance{App: "a", Number: 1, Address: fcgisup.Address{Network: "unix", Addr: path}}, fcgisup.Socket{Mode: 0o600, Backlog: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	probe, err := os.Open(os.DevNull) // gets the lowest number that is free
	if err != nil {
		t.Fatal(err)
	}
	free := probe.Fd()
	_ = probe.Close()
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free) + 1, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	conn := s.Accept()
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &old, nil); err != nil {
		t.Fatal(err)
	}
	if conn == nil {
		t.Fatal("nothing was accepted, although one descriptor was free")
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Error(err)
	}
	if _, err := conn.Write([]byte("sorry")); err != nil {
		t.Fatal(err)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		t.Error("the end of the answer cannot be sent")
	}
	if said, err := io.ReadAll(client); err != nil || string(said) != "sorry" {
		t.Errorf("the client got %q, %v", said, err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || !os.IsTimeout(err) {
		t.Errorf("reading from a silent client ended with %v, want a timeout", err)
	}
}
