package doctor

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

func TestUnixListeners(t *testing.T) {
	const text = `Num       RefCount Protocol Flags    Type St Inode Path
ffff8880: 00000002 00000000 00010000 0001 01 123 /run/a b.sock
ffff8880: 00000002 00000000 00000000 0001 03 124 /run/connected.sock
ffff8880: 00000002 00000000 00010000 0005 01 125 /run/packets.sock
ffff8880: 00000002 00000000 00010000 0001 01 126 @abstract
ffff8880: 00000002 00000000 00010000 0001 01 127
ffff8880: 00000002 00000000 zz 0001 01 128 /run/x
/run/newline
`
	want := []listener{{address: unixAt("/run/a b.sock"), inode: 123}}
	if diff := cmp.Diff(want, unixListeners(text), cmp.AllowUnexported(listener{}, acceptor{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestListeners: the kernel's tables are read right, of every family, and who holds a socket as standard input is found.
func TestListeners(t *testing.T) {
	dir := t.TempDir()
	var want []fcgisup.Address
	for _, network := range []string{"unix", "tcp4", "tcp6"} {
		at := map[string]string{"unix": filepath.Join(dir, "a b.sock"), "tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
		l, err := net.Listen(network, at)
		if err != nil && network == "tcp6" {
			t.Log(err) // a machine without IPv6
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		want = append(want, fcgisup.Address{Network: strings.TrimRight(network, "46"), Addr: l.Addr().String()})
		file, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		child := exec.Command("sleep", "60")
		child.Stdin = file
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
		// Last, for package os makes it blocking to hand it down.
		if err := unix.SetNonblock(int(file.Fd()), true); err != nil {
			t.Fatal(err)
		}
	}
	got, err := listeners("/proc")
	if err != nil {
		t.Fatal(err)
	}
	findAcceptors("/proc", got)
	for _, a := range want {
		at := slices.IndexFunc(got, func(l listener) bool { return l.address == a })
		if at < 0 || len(got[at].acceptors) != 1 || got[at].acceptors[0].name != "sleep" || !got[at].acceptors[0].nonblocking {
			t.Errorf("%v is not among %+v", a, got)
		}
	}
}

func TestTCPListeners(t *testing.T) {
	const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0 100 0 0 10 0
   1: 0100007F:2329 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 6 1 0 100 0 0 10 0
   2: 0100:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0
   3: xx
`
	want := []listener{{address: tcpAt("0.0.0.0:9000"), inode: 5}}
	if diff := cmp.Diff(want, tcpListeners(text), cmp.AllowUnexported(listener{}, acceptor{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
