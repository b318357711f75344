package scoreboard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// refuse is what RestrictAddressFamilies= without AF_NETLINK does.
func refuse() (*diagConn, error) {
	return nil, fmt.Errorf("cannot open a sock_diag socket: %w", unix.EAFNOSUPPORT)
}

func refused(t *testing.T, l *Listener) *Listener {
	t.Helper()
	r, err := Open(l.fd)
	must(t, err)
	r.dial = refuse
	t.Cleanup(func() { r.Close() })
	return r
}

func TestFallbackAgrees(t *testing.T) {
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			l := k.make(t, 8)
			without := refused(t, l)
			var clients []*client
			for range 5 {
				clients = append(clients, dial(t, l))
			}
			clients[4].close()
			for range 2 {
				fd := accept(t, l)
				defer unix.Close(fd)
			}
			clients[0].close()
			q, err := l.Queue()
			must(t, err)
			p, err := without.Queue()
			must(t, err)
			if p.Length != q.Length || p.Length != 3 || p.Source != ProcNet || q.Source != SockDiag {
				t.Errorf("queue %+v, with netlink %+v", p, q)
			}
			if n, known := p.Capacity.Value(); known {
				t.Errorf("capacity guessed: %d", n)
			}
			want, err := l.Accepted()
			must(t, err)
			got, err := without.Accepted()
			must(t, err)
			for i := range want {
				want[i].Peer = 0
			}
			slices.SortFunc(want, func(a, b Conn) int { return int(a.Inode) - int(b.Inode) })
			slices.SortFunc(got, func(a, b Conn) int { return int(a.Inode) - int(b.Inode) })
			if !slices.Equal(got, want) || len(got) != 2 || !got[0].Gone && !got[1].Gone {
				t.Errorf("accepted %+v, with netlink %+v", got, want)
			}
			if _, err := without.Waiting(); !errors.Is(err, ErrUnsupported) || !errors.Is(err, unix.EAFNOSUPPORT) {
				t.Errorf("waiting: %v", err)
			}
		})
	}
}

func TestRefusalIsRemembered(t *testing.T) {
	l := listenUnix(t, 8)
	dials := 0
	l.dial = func() (*diagConn, error) { dials++; return refuse() }
	for range 3 {
		_, err := l.Queue()
		must(t, err)
	}
	if dials != 1 {
		t.Errorf("dialled %d times", dials)
	}
	l = listenUnix(t, 8)
	l.dial = func() (*diagConn, error) { return nil, unix.EMFILE }
	_, err := l.Queue()
	must(t, err)
	l.dial = dialDiag
	if q, err := l.Queue(); err != nil || q.Source != SockDiag {
		t.Errorf("a passing failure was remembered: %+v, %v", q, err)
	}
}

func TestBrokenNetlinkSocketIsReplaced(t *testing.T) {
	l := listenUnix(t, 8)
	_, err := l.Accepted()
	must(t, err)
	// A dump that was left half read leaves messages for the next question.
	request := unixRequest(0, ^uint32(0), showName|showVFS|showPeer)
	must(t, l.diag.send(unix.NLM_F_REQUEST|unix.NLM_F_DUMP, request[:]))
	if q, err := l.Queue(); err != nil || q.Length != 0 || q.Source != SockDiag {
		t.Errorf("%+v, %v", q, err)
	}
	unix.Shutdown(l.diag.fd, unix.SHUT_RDWR)
	null, err := os.Open("/dev/null")
	must(t, err)
	defer null.Close()
	must(t, unix.Dup3(int(null.Fd()), l.diag.fd, unix.O_CLOEXEC))
	if q, err := l.Queue(); err != nil || q.Source != ProcNet {
		t.Errorf("%+v, %v", q, err)
	}
	if q, err := l.Queue(); err != nil || q.Source != SockDiag {
		t.Errorf("not dialled again: %+v, %v", q, err)
	}
}

func TestFallbackDoesNotGuess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old := refused(t, listenAt(t, path, 8))
	must(t, os.Remove(path))
	refused(t, listenAt(t, path, 8))
	if _, err := old.Queue(); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("two listeners of one name: %v", err)
	}
	if _, err := old.Accepted(); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("two listeners of one name: %v", err)
	}
	l := refused(t, listenUnix(t, 8))
	l.procNetUnix = filepath.Join(t.TempDir(), "absent")
	if _, err := l.Queue(); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, unix.EAFNOSUPPORT) {
		t.Errorf("both refused: %v", err)
	}
	tcp := refused(t, kinds[2].make(t, 8))
	if _, err := tcp.Queue(); err != nil {
		t.Errorf("TCP needs no netlink: %v", err)
	}
	if _, err := tcp.Accepted(); !errors.Is(err, ErrUnsupported) {
		t.Errorf("TCP connections without netlink: %v", err)
	}
}
