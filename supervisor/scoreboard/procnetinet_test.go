package scoreboard

import (
	"fmt"
	"testing"
)

// TestParseInetSocket: addresses of both families, mapped ones as IPv4, and nothing of the heading.
func TestParseInetSocket(t *testing.T) {
	t.Parallel()
	const rest = " 00000000:00000000 00:00000000 00000000 0 0 4711 1"
	for line, want := range map[string]string{
		"0: 0100007F:1538 0200A8C0:9C40 01" + rest:                                                 "127.0.0.1:5432 192.168.0.2:40000 1 4711",
		"0: 00000000:0050 00000000:0000 0A" + rest:                                                 "0.0.0.0:80 0.0.0.0:0 10 4711",
		"0: 00000000000000000000000001000000:1538 00000000000000000000000001000000:1539 08" + rest: "[::1]:5432 [::1]:5433 8 4711",
		"0: 0000000000000000FFFF00000100007F:1538 0000000000000000FFFF00000100007F:1539 02" + rest: "127.0.0.1:5432 127.0.0.1:5433 2 4711",
	} {
		s, ok := ParseInetSocket(line)
		if got := fmt.Sprint(s.Local, s.Peer, s.State, s.Inode); !ok || got != want {
			t.Errorf("%s: %s %t, want %s", line, got, ok, want)
		}
	}
	for _, line := range []string{"sl local_address rem_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode", "garbage", "0: 0100:2329 00000000:0000 0A" + rest} {
		if s, ok := ParseInetSocket(line); ok {
			t.Errorf("%q is the socket %v", line, s)
		}
	}
}
