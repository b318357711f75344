package scoreboard

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAwaitClose(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	raw, err := accepted.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); err != nil {
		t.Fatal(err)
	}
	pids, conns := []int{os.Getpid()}, []Conn{{Inode: Inode(st.Ino)}}
	if AwaitClose(pids, conns, 20*time.Millisecond) {
		t.Fatal("closed, it says, while it is open")
	}
	time.AfterFunc(20*time.Millisecond, func() { accepted.Close() })
	if !AwaitClose(pids, conns, 10*time.Second) {
		t.Error("did not see the close")
	}
	if AwaitClose(pids, conns, time.Second) {
		t.Error("waits for what is not there")
	}
}
