package e2e

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// exchange is a request in the middle of which its worker is to be replaced.
type exchange struct {
	name string
	run  func(s *supervised, params map[string]string, begun func()) error
}

// exchanges are those that plain SIGTERM breaks, FASTCGI.md 4.2: Go cuts each, libfcgi answers the second 200 with the
// sum of a part and cuts the third.
var exchanges = []exchange{
	{"a long request", func(s *supervised, params map[string]string, begun func()) error {
		conn, err := dialFCGI(s, fcgiRequest("/sleep?ms=2500", nil, params))
		if err != nil {
			return err
		}
		defer conn.Close()
		begun()
		page, err := fcgiAnswer(conn)
		if err == nil && !strings.Contains(page, "slept 2500") {
			err = fmt.Errorf("answer %q", page)
		}
		return err
	}},
	{"an upload", func(s *supervised, params map[string]string, begun func()) error {
		body := bytes.Repeat([]byte("0123456789"), 2000)
		request := fcgiRequest("/echo", body, params)
		half := len(request) - 15_000
		conn, err := dialFCGI(s, request[:half])
		if err != nil {
			return err
		}
		defer conn.Close()
		begun()
		time.Sleep(700 * time.Millisecond)
		if _, err := conn.Write(request[half:]); err != nil {
			return err
		}
		page, err := fcgiAnswer(conn)
		if want := fmt.Sprintf("length 20000\nsha1 %x\n", sha1.Sum(body)); err == nil && !strings.Contains(page, want) {
			err = fmt.Errorf("answer %q, want %q", page, want)
		}
		return err
	}},
	{"a slow reader", func(s *supervised, params map[string]string, begun func()) error {
		conn, err := dialFCGI(s, fcgiRequest("/big?bytes=2600000", nil, params))
		if err != nil {
			return err
		}
		defer conn.Close()
		begun()
		time.Sleep(700 * time.Millisecond)
		page, err := fcgiAnswer(conn)
		if n := strings.Count(page, "x"); err == nil && n < 2_600_000 {
			err = fmt.Errorf("%d bytes of 2600000", n)
		}
		return err
	}},
}

// TestReplacedMidway replaces the only worker of each kind of program in the middle of a request, with another one
// waiting behind it.
func TestReplacedMidway(t *testing.T) {
	inTurn(t, busy)
	all := append(programs(), program{
		"php-children",
		[]string{"/usr/bin/php-cgi"},
		func(*testing.T) []string { return []string{"/usr/bin/php-cgi"} }, script("hello.php"),
	})
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			needFiles(t, p.needs...)
			keys := fmt.Sprintf("command: [%s]\nhealth: {interval: 0s}", p.command(t)[0])
			if p.name == "php-children" {
				keys += "\nenvironment: {PHP_FCGI_CHILDREN: \"2\"}"
			}
			s := newConfigured(t, p.name, keys)
			s.hello(t, p.params(t))
			for _, e := range exchanges {
				s.replaceMidway(t, p, e)
			}
			st := s.one(t)
			if st.Cut != 0 || st.Exits[control.Operator] != uint64(len(exchanges)) {
				t.Errorf("%s; want %d by the operator, none cut", describe(st), len(exchanges))
			}
		})
	}
}

func (s *supervised) replaceMidway(t *testing.T, p program, e exchange) {
	t.Helper()
	before := pids(s.until(t, 10*time.Second, settled(1)))
	seen, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- e.run(s, p.params(t), func() { <-seen }) }()
	s.until(t, 5*time.Second, func(st control.Status) error {
		if *st.InFlight != 1 {
			return fmt.Errorf("in flight %d", *st.InFlight)
		}
		return nil
	})
	close(seen)
	behind := make(chan error, 1)
	go func() {
		_, err := fcgiAsk(s.network, s.address, "/", nil, p.params(t))
		behind <- err
	}()
	if out, err := s.fcgisup("restart", p.name); err != nil {
		t.Errorf("%s: restart: %v\n%s", e.name, err, out)
	}
	if err := <-ended; err != nil {
		t.Errorf("%s over a restart: %v\n%s", e.name, err, s.log())
	}
	if err := <-behind; err != nil {
		t.Errorf("behind %s: %v", e.name, err)
	}
	after := pids(s.until(t, 10*time.Second, settled(1)))
	if slices.Equal(before, after) || !dead(before[0]) {
		t.Errorf("%s: worker %v was not replaced", e.name, before)
	}
}
