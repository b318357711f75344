package chaos

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestHeld: of three connections the two that were accepted are found, by the marks of their clients.
func TestHeld(t *testing.T) {
	if _, err := exec.LookPath("ss"); err != nil {
		t.Skip("ss is missing: run testdata/install-deps")
	}
	for _, at := range []target{{network: "unix", address: filepath.Join(t.TempDir(), "s")}, {network: "tcp", address: "127.0.0.1:0"}} {
		l, err := net.Listen(at.network, at.address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		at.address = l.Addr().String()
		var want []string
		for n := range 3 {
			client, err := net.Dial(at.network, at.address)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if n == 2 {
				break
			}
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			mark, err := markOf(client)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, mark)
		}
		slices.Sort(want)
		got, err := held(t.Context(), []target{at}, []int{os.Getpid()})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", at.network, got, err, want)
		}
		if none, err := held(t.Context(), []target{at}, []int{1 << 30}); err != nil || len(none) > 0 {
			t.Errorf("%s: no process holds %v, %v", at.network, none, err)
		}
	}
}
