package scoreboard

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestFind: what is seen of a listener without its descriptor is what is there.
func TestFind(t *testing.T) {
	for network, addr := range map[string]string{
		"unix": filepath.Join(t.TempDir(), "a.sock"), "tcp": "127.0.0.1:0", "tcp6": "[::1]:0",
	} {
		t.Run(network, func(t *testing.T) {
			server, err := net.Listen(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			addr, kind := server.Addr().String(), network
			if kind != "unix" {
				kind = "tcp"
			}
			var clients []net.Conn
			for range 3 {
				c, err := net.Dial(network, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				clients = append(clients, c)
			}
			accepted, err := server.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			l, err := Find(kind, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := l.Look()
			if s.QueueErr != nil || s.ConnsErr != nil || s.Queue.Length != 2 || len(s.Conns) != 1 || s.Conns[0].Gone {
				t.Fatalf("%+v", s)
			}
			if capacity, known := s.Queue.Capacity.Value(); !known || capacity < 128 {
				t.Errorf("capacity %v", s.Queue.Capacity)
			}
			_ = clients[0].Close()
			if conns, err := l.Accepted(); err != nil || len(conns) != 1 || !conns[0].Gone {
				t.Errorf("after the client has gone: %v, %v", conns, err)
			}
			wantSurveyed(t, kind, addr, server)
		})
	}
}

// wantSurveyed: a survey says what a listener does that is asked for itself, and
// goes on saying so: its lists are made once.
func wantSurveyed(t *testing.T, network, addr string, server net.Listener) {
	t.Helper()
	survey := NewSurvey()
	l, err := survey.Find(network, addr)
	must(t, err)
	defer l.Close()
	want, got := l.Look(), survey.Look(l)
	want.Waiters = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("surveyed %+v, want %+v", got, want)
	}
	conn, err := server.Accept()
	must(t, err)
	defer conn.Close()
	if again := survey.Look(l); !reflect.DeepEqual(again, got) {
		t.Errorf("the survey was made again: %+v, before %+v", again, got)
	}
	if anew := NewSurvey().Look(l); anew.Queue.Length != want.Queue.Length-1 || len(anew.Conns) != len(want.Conns)+1 {
		t.Errorf("a new survey shows %+v, after %+v", anew, want)
	}
}

// TestSurveyQueue: of listeners whose descriptor there is, in the lists or not.
func TestSurveyQueue(t *testing.T) {
	eachKind(t, func(t *testing.T, k listenerKind) {
		survey := NewSurvey()
		for _, when := range []string{"listed", "younger than the list"} {
			t.Run(when, func(t *testing.T) {
				l := k.make(t, 8)
				dial(t, l)
				wantQueue1(t, l)
				want, err := l.Queue()
				must(t, err)
				if got, err := survey.Queue(l); err != nil || got != want {
					t.Errorf("%+v, %v, want %+v", got, err, want)
				}
			})
		}
	})
}

func TestFindNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	server, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	server.SetUnlinkOnClose(false)
	_ = server.Close()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	for network, addr := range map[string]string{"unix": path, "tcp": "127.0.0.1:" + port} {
		if _, err := Find(network, addr); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", addr, err)
		}
		if _, err := NewSurvey().Find(network, addr); !errors.Is(err, ErrGone) {
			t.Errorf("%s, surveyed: %v", addr, err)
		}
	}
	if _, err := Find("unix", path+".none"); !errors.Is(err, ErrGone) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	if _, err := Find("tcp", "nonsense"); err == nil {
		t.Error("nonsense is found")
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
