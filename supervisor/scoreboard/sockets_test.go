package scoreboard

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestSocketsOfAProcessAndWhereTheyListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.sock")
	var want []string
	for _, at := range [][2]string{{"unix", path}, {"tcp", "127.0.0.1:0"}} {
		l, err := net.Listen(at[0], at[1])
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		want = append(want, l.Addr().String())
	}
	all, err := Listeners()
	if err != nil {
		t.Skip(err)
	}
	by, unreadable := Sockets([]int{os.Getpid(), os.Getpid(), 1 << 30})
	if len(unreadable) > 0 {
		t.Fatal(unreadable)
	}
	var own []string
	for inode := range by {
		own = append(own, all[inode])
	}
	for _, address := range want {
		if !slices.Contains(own, address) {
			t.Errorf("%s is not among %q", address, own)
		}
	}
}
