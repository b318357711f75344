package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
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

// cause makes one worker hang and returns how to undo what nobody has mended.
type cause struct {
	name string
	make func(ctx context.Context, s *peers.Service) (undo func(), reason string)
}

var hangCauses = []cause{
	{"one of the workers is stopped (SIGSTOP) in a request", stopBusy},
	{"a request that takes an hour", askForever},
	{"a client that sends half a request and stays", staySilent},
}

func (m *hang) measure(ctx context.Context, b *bench, t *report.Table) error {
	t.Columns = []string{"another worker after, s", "requests", "failed", fmt.Sprintf("answered after more than %v", late), "p99, ms"}
	for _, part := range []struct {
		program string
		peers   []string
	}{{m.Program, m.Peers}, {"PHP", m.PHP}} {
		program, err := b.program(part.program)
		if err != nil {
			return err
		}
		for _, cause := range hangCauses {
			group := program.Name + ": " + cause.name
			b.say("hang: %s", group)
			spec := peers.Spec{Program: program, Workers: m.Workers, Backlog: 4096, RequestTimeout: m.RequestTimeout, Probe: m.Probe}
			err := b.with(ctx, part.peers, spec, func(c *crew) error {
				rows := m.all(ctx, b, c, cause)
				for _, name := range c.names {
					row, ok := rows[name]
					if !ok {
						row = c.because(group, name, len(t.Columns))
					}
					row.Group = group
					t.Rows = append(t.Rows, row)
				}
				return ctx.Err()
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *hang) all(ctx context.Context, b *bench, c *crew, cause cause) map[string]report.Row {
	var all sync.WaitGroup
	var mu sync.Mutex
	rows := map[string]report.Row{}
	for _, name := range c.able() {
		all.Go(func() {
			row, reason := m.one(ctx, b, c, cause, name)
			mu.Lock()
			defer mu.Unlock()
			if reason != "" {
				c.reasons[name] = reason
				return
			}
			rows[name] = row
		})
	}
	all.Wait()
	return rows
}

func (m *hang) one(ctx context.Context, b *bench, c *crew, cause cause, name string) (report.Row, string) {
	s := c.services[name]
	results := make(chan *load.Result, 1)
	go func() {
		results <- c.openLoop(ctx, name, load.Plan{Rate: m.Rate, Duration: m.Limit, Timeout: 5 * time.Second, Poisson: true, Seed: b.seed, Shares: []load.Share{{Path: m.Path, Weight: 1}}})
	}()
	pause(ctx, time.Second)
	before := s.Processes().Workers
	begin := time.Now()
	undo, reason := cause.make(ctx, s)
	if reason != "" {
		<-results
		return report.Row{}, reason
	}
	defer undo()
	seen := report.Word("never (in %v)", m.Limit-time.Second)
	for time.Since(begin) < m.Limit-time.Second && ctx.Err() == nil {
		// A web server that starts more of them because of the load would be seen here, too: their number is fixed.
		if slices.ContainsFunc(s.Processes().Workers, func(pid int) bool { return !slices.Contains(before, pid) }) {
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
	return report.Row{Name: name, Cells: []report.Cell{seen, report.Number(float64(len(r.Events)), ""), failures(r), report.Number(float64(slow), ""), report.Number(milliseconds(r.Quantile(0.99)), "")}}, ""
}

// stopBusy stops a worker that is not waiting in accept(2): the kernel gives a stopped one in accept no connection, and
// nobody would notice.
func stopBusy(ctx context.Context, s *peers.Service) (undo func(), reason string) {
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
			return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }, ""
		}
	}
	return nil, "no worker was ever seen in a request"
}

// sleepsInRequest: the program's request is a sleep (clock_nanosleep, or select of Perl).
func sleepsInRequest(pid int) bool {
	call := firstField(fmt.Sprintf("/proc/%d/syscall", pid))
	return call == "230" || call == "35" || call == "23" || call == "270" || call == "115" || call == "101" || call == "72"
}

// askForever is a request that nobody waits for any longer than the measurement.
func askForever(ctx context.Context, s *peers.Service) (undo func(), reason string) {
	ctx, cancel := context.WithCancel(ctx)
	client := s.Client()
	var done sync.WaitGroup
	done.Go(func() { _ = client.Do(ctx, "/sleep?ms=3600000") }) // cut: that is the point
	return func() { cancel(); done.Wait(); client.Close() }, ""
}

func staySilent(ctx context.Context, s *peers.Service) (undo func(), reason string) {
	if len(s.Sockets) == 0 {
		return nil, "clients do not reach its sockets: it is the web server itself, and sends whole requests only"
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", s.Sockets[0])
	if err == nil {
		_, err = conn.Write(silence)
	}
	if err != nil {
		return nil, "cannot connect: " + firstLine(err)
	}
	return func() { _ = conn.Close() }, ""
}

func firstField(path string) string {
	text, err := readFile(path)
	if err != nil {
		return ""
	}
	field, _, _ := strings.Cut(text, " ")
	return field
}
