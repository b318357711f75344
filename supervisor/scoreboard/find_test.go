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

// surveys are those of few ports, which the kernel picks, of many, and one whose
// lists cannot be made.
func surveys(t *testing.T) (few, many, broken *Survey) {
	few, many, broken = NewSurvey(), NewSurvey(), NewSurvey()
	errs := errors.New("short of memory")
	broken.listeners = func() (*unixListeners, error) { return nil, errs }
	broken.conns = func() (map[file][]Conn, error) { return nil, errs }
	none := func() (map[uint16][]inetSocket, error) { return nil, errs }
	for domain := range few.inet {
		few.inet[domain].open = func() (map[uint16][]inetSocket, error) {
			t.Error("the connections at all ports were listed for one")
			return nil, errs
		}
		for port := range uint16(fewPorts) {
			many.inet[domain].few[port+1] = nil
			broken.inet[domain].few[port+1] = nil
		}
		broken.inet[domain].listeners, broken.inet[domain].open = none, none
	}
	return few, many, broken
}

// wantSurveyed: a survey says what a listener does that is asked for itself, even
// if its lists cannot be made, and goes on saying so: they are made once.
func wantSurveyed(t *testing.T, network, addr string, server net.Listener) {
	t.Helper()
	few, many, broken := surveys(t)
	l, err := few.Find(network, addr)
	must(t, err)
	defer l.Close()
	want := l.Look()
	want.Waiters = nil
	for name, survey := range map[string]*Survey{"few": few, "many": many, "broken": broken} {
		l, err := survey.Find(network, addr)
		must(t, err)
		defer l.Close()
		if got := survey.Look(l); !reflect.DeepEqual(got, want) {
			t.Errorf("surveyed (%s) %+v, want %+v", name, got, want)
		}
	}
	conn, err := server.Accept()
	must(t, err)
	defer conn.Close()
	for name, survey := range map[string]*Survey{"few": few, "many": many} {
		if again := survey.Look(l); !reflect.DeepEqual(again, want) {
			t.Errorf("the survey (%s) was made again: %+v, before %+v", name, again, want)
		}
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
