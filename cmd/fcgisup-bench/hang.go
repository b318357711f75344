package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// hang is table 6: a worker that lives and does not answer. All peers have it at the same time: their load is light, and
// waiting is most of it.
type hang struct {
	Peers   []string      `yaml:"peers"`
	Program string        `yaml:"program"`
	PHP     []string      `yaml:"php"` // the same with the PHP program
	Workers int           `yaml:"workers"`
	Path    string        `yaml:"path"`
	Rate    float64       `yaml:"rate"` // to each peer
	Limit   time.Duration `yaml:"limit"`
	// What those who can are told to tolerate.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	Probe          time.Duration `yaml:"probe"`
}

// late is when an answer is counted as lost, too: a person has gone.
const late = time.Second

// silence is half a request: a header that promises more than comes.
var silence = []byte{1, 1, 0, 1, 0, 8, 0, 0, 0, 1}

// cause makes one worker hang.
type cause struct {
	name string
	make func(ctx context.Context, s *peers.Service) (hung, string)
}

// hung is a worker that hangs.
type hung struct {
	over func() bool // the worker, or the request that it hung in, has ended
	undo func()      // what is still running
}

var hangCauses = []cause{
	{"one of the workers is stopped (SIGSTOP) in a request", stopBusy},
	{"a request that takes an hour", askForever},
	{"a client that sends half a request and stays", staySilent},
}

func (m *hang) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"ended after, s", "requests", "failed", fmt.Sprintf("answered after more than %v", late), "p99, ms"}
	for _, cause := range hangCauses {
		b.say("hang: %s", cause.name)
		spec := peers.Spec{Workers: m.Workers, Backlog: 4096, RequestTimeout: m.RequestTimeout, Probe: m.Probe}
		err := b.together(ctx, t, nil, parts(m.Program, m.Peers, m.PHP), spec, ": "+cause.name, func(c *crew) map[string]barRow {
			return c.each(func(name string) (barRow, string) { return m.one(ctx, b, c, cause, name) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *hang) one(ctx context.Context, b *bench, c *crew, cause cause, name string) (barRow, string) {
	s := c.services[name]
	results := make(chan *load.Result, 1)
	go func() {
		results <- c.openLoop(ctx, name, load.Plan{Rate: m.Rate, Duration: m.Limit, Timeout: 5 * time.Second, Poisson: true, Seed: b.seed, Shares: []load.Share{{Path: m.Path, Weight: 1}}})
	}()
	pause(ctx, time.Second)
	victim, reason := cause.make(ctx, s)
	begin := time.Now()
	if reason != "" {
		<-results
		return barRow{}, reason
	}
	defer victim.undo()
	seen := report.Word("never (in %v)", m.Limit-time.Second)
	for time.Since(begin) < m.Limit-time.Second && ctx.Err() == nil {
		if victim.over() {
			seen = report.Number(time.Since(begin).Seconds(), "")
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	r := <-results
	slow := 0
	for _, e := range r.Events {
		if e.Kind == "" && e.Took > late {
			slow++
		}
	}
	return barRow{report.Row{Name: name, Cells: []report.Cell{seen, report.Number(float64(len(r.Events)), ""), failures(r), report.Number(float64(slow), ""), quantileOf(r, 0.99)}}, -1}, ""
}

// stopBusy stops a worker that is not waiting in accept(2): the kernel gives a stopped one in accept no connection, and
// it would go unnoticed.
func stopBusy(ctx context.Context, s *peers.Service) (hung, string) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		for _, pid := range s.Processes().Workers {
			if !sleepsInRequest(pid) {
				continue
			}
			if syscall.Kill(pid, syscall.SIGSTOP) != nil {
				continue
			}
			time.Sleep(5 * time.Millisecond)
			if !sleepsInRequest(pid) { // it was just about to end
				_ = syscall.Kill(pid, syscall.SIGCONT)
				continue
			}
			return hung{
				over: func() bool { return !slices.Contains(s.Processes().Workers, pid) },
				undo: func() { _ = syscall.Kill(pid, syscall.SIGCONT) },
			}, ""
		}
	}
	return hung{}, "no worker was ever seen in a request"
}

// sleepsInRequest: the program's request is a sleep (clock_nanosleep, or select of Perl).
func sleepsInRequest(pid int) bool {
	call := firstField(fmt.Sprintf("/proc/%d/syscall", pid))
	return call == "230" || call == "35" || call == "23" || call == "270" || call == "115" || call == "101" || call == "72"
}

// askForever is a request that no client waits for any longer than the measurement.
func askForever(ctx context.Context, s *peers.Service) (hung, string) {
	ctx, cancel := context.WithCancel(ctx)
	client := s.Client()
	done := make(chan struct{})
	go func() {
		_ = client.Do(ctx, "/sleep?ms=3600000") // cut: that is the point
		close(done)
	}()
	return hung{over: func() bool { return closed(done) }, undo: func() { cancel(); <-done; client.Close() }}, ""
}

func staySilent(ctx context.Context, s *peers.Service) (hung, string) {
	if len(s.Sockets) == 0 {
		return hung{}, "clients do not reach its sockets: it is the web server itself, and sends whole requests only"
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", s.Sockets[0])
	if err == nil {
		_, err = conn.Write(silence)
	}
	if err != nil {
		return hung{}, "cannot connect: " + firstLine(err)
	}
	done := make(chan struct{})
	go func() {
		_, _ = conn.Read(make([]byte, 1)) // nothing but its end can come
		close(done)
	}()
	return hung{over: func() bool { return closed(done) }, undo: func() { _ = conn.Close(); <-done }}, ""
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func firstField(path string) string {
	text, err := readFile(path)
	if err != nil {
		return ""
	}
	field, _, _ := strings.Cut(text, " ")
	return field
}
