package doctor

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

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
	got, err := listeners()
	if err != nil {
		t.Fatal(err)
	}
	findAcceptors(got)
	for _, a := range want {
		at := slices.IndexFunc(got, func(l listener) bool { return l.address == a })
		if at < 0 || len(got[at].acceptors) != 1 || got[at].acceptors[0].name != "sleep" || !got[at].acceptors[0].nonblocking {
			t.Errorf("%v is not among %+v", a, got)
		}
	}
}
