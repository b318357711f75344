package check

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/fcgisup/fcgisup"
)

// An instance sleeps only while some process listens for it: without one it is down.
func TestNobodySleepsWhereNobodyListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": path} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // a socket unit that has failed leaves its file
		}
		a := fcgisup.Address{Network: network, Addr: l.Addr().String()}
		if k := (&Checker{}); !k.listened(a) {
			t.Errorf("%s: no listener found, though the test listens", network)
		}
		_ = l.Close()
		if k := (&Checker{}); k.listened(a) {
			t.Errorf("%s: a listener found, though none is left", network)
		}
	}
}
