package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/load"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/peers"
	"github.com/fcgisup/fcgisup/cmd/fcgisup-bench/report"
)

// ours is the peer that others are compared with.
const ours = "fcgisup"

// bench is what all measurements share.
type bench struct {
	host     *peers.Host
	programs map[string]peers.Program
	seed     uint64
	machine  report.Machine
	progress io.Writer

	mu      sync.Mutex
	started int // names are numbered
}

// next is a number that no name has yet.
func (b *bench) next() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.started++
	return b.started
}

// say tells how far it is.
func (b *bench) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.progress, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// random is the same for the same seed and name.
func (b *bench) random(name string) *rand.Rand {
	sum := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(name) {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(b.seed, sum))
}

// program finds a program by its name in scenarios.
func (b *bench) program(name string) (peers.Program, error) {
	p, ok := b.programs[name]
	if !ok {
		return p, fmt.Errorf("no program is called %q", name)
	}
	return p, nil
}

// crew is the same spec under several peers at once, behind one nginx. Who is not able has a reason instead.
type crew struct {
	names    []string
	services map[string]*peers.Service
	reasons  map[string]string
	front    *peers.Front
}

// readyLimit bounds the wait for a peer; a thousand processes take their time, the more if each has a supervisor.
func readyLimit(workers int) time.Duration {
	return 30*time.Second + time.Duration(workers)*200*time.Millisecond
}

// hire starts the peers one after the other. The caller dismisses them, also after an error.
func (b *bench) hire(ctx context.Context, names []string, spec peers.Spec) (*crew, error) {
	c := &crew{names: names, services: map[string]*peers.Service{}, reasons: map[string]string{}}
	var all []*peers.Service
	for _, name := range names {
		s, reason := b.start(ctx, name, spec)
		if ctx.Err() != nil {
			return c, ctx.Err()
		}
		if reason != "" {
			c.reasons[name] = reason
			continue
		}
		c.services[name] = s
		all = append(all, s)
	}
	limited, cancel := context.WithTimeout(ctx, readyLimit(spec.Workers))
	defer cancel()
	front, err := peers.StartFront(limited, b.host, fmt.Sprintf("n%d", b.next()), all...)
	c.front = front
	return c, err
}

// start starts one peer; a reason is why it does not run.
func (b *bench) start(ctx context.Context, name string, spec peers.Spec) (*peers.Service, string) {
	p := peers.Named(name)
	if p == nil {
		return nil, fmt.Sprintf("no peer is called %q", name)
	}
	if reason := p.Unable(b.host, spec); reason != "" {
		return nil, reason
	}
	spec.Name = fmt.Sprintf("b%d", b.next())
	limited, cancel := context.WithTimeout(ctx, readyLimit(spec.Workers))
	defer cancel()
	s, err := p.Start(limited, b.host, spec)
	if err == nil && !spec.Lazy {
		if err = s.Ready(limited); err != nil {
			err = errors.Join(err, s.Stop(ctx))
		}
	}
	if err != nil {
		b.say("%s did not start: %v", name, err)
		return nil, "it did not start: " + firstLine(err)
	}
	return s, ""
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// dismiss stops all of it.
func (c *crew) dismiss(ctx context.Context) error {
	var errs []error
	if c.front != nil {
		errs = append(errs, c.front.Stop(ctx))
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, s := range c.services {
		all.Go(func() {
			err := s.Stop(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// with hires, has something done, and dismisses.
func (b *bench) with(ctx context.Context, names []string, spec peers.Spec, do func(c *crew) error) error {
	c, err := b.hire(ctx, names, spec)
	if err == nil {
		err = do(c)
	}
	return errors.Join(err, c.dismiss(ctx))
}

// able lists who runs, in the order of names.
func (c *crew) able() []string {
	var names []string
	for _, name := range c.names {
		if c.services[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

// because is a row of a peer that is not able.
func (c *crew) because(group, name string, columns int) report.Row {
	cells := make([]report.Cell, columns)
	for i := range cells {
		cells[i] = report.Because(c.reasons[name])
	}
	return report.Row{Group: group, Name: name, Cells: cells}
}

// openLoop asks a service through the front.
func (c *crew) openLoop(ctx context.Context, name string, plan load.Plan) *load.Result {
	client := c.front.Client(c.services[name])
	defer client.Close()
	return load.Run(ctx, client, plan)
}

// pause waits, or not if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// milliseconds of a duration, for cells.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantileOf is a cell of a latency in milliseconds, if there was any answer.
func quantileOf(r *load.Result, q float64, filters ...load.Filter) report.Cell {
	if r.Answered(filters...) == 0 {
		return report.Because("nothing was answered")
	}
	return report.Number(milliseconds(r.Quantile(q, filters...)), "")
}

// part is peers that run the same program.
type part struct {
	program string
	peers   []string
}

// parts is a program's peers and those of the PHP program, as far as there are any.
func parts(program string, peers, php []string) []part {
	return slices.DeleteFunc([]part{{program, peers}, {"PHP", php}}, func(p part) bool { return len(p.peers) == 0 })
}

// measurer measures one part and returns a row for each peer that it could.
type measurer func(c *crew) map[string]barRow

// barRow is a row and its value in the table's plot, -1 for none.
type barRow struct {
	report.Row
	value float64
}

// together measures parts at the same time, and adds their rows, and bars to a plot if there is one. The group's name
// follows the program's.
func (b *bench) together(ctx context.Context, t *report.Table, plot *report.Plot, parts []part, spec peers.Spec, group string, measure measurer) error {
	rows := make([][]barRow, len(parts))
	var all errgroup.Group
	for i, part := range parts {
		program, err := b.program(part.program)
		if err != nil {
			return err
		}
		mine := spec
		mine.Program = program
		all.Go(func() error {
			return b.with(ctx, part.peers, mine, func(c *crew) error {
				found := measure(c)
				for _, name := range c.names {
					row, ok := found[name]
					if !ok {
						row = barRow{c.because("", name, len(t.Columns)), -1}
					}
					row.Group = part.program + group
					rows[i] = append(rows[i], row)
				}
				return ctx.Err()
			})
		})
	}
	err := all.Wait()
	for _, row := range slices.Concat(rows...) {
		t.Rows = append(t.Rows, row.Row)
		if plot != nil && row.value >= 0 {
			plot.Bars = append(plot.Bars, report.Bar{Group: row.Group, Name: row.Name, Value: row.value, Q1: row.value, Q3: row.value, Ours: isOurs(row.Name)})
		}
	}
	return err
}

// each measures all peers of a crew at the same time; with a reason there is no row.
func (c *crew) each(measure func(name string) (barRow, string)) map[string]barRow {
	var all sync.WaitGroup
	var mu sync.Mutex
	rows := map[string]barRow{}
	for _, name := range c.able() {
		all.Go(func() {
			row, reason := measure(name)
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

// failures is a cell that counts by kind.
func failures(r *load.Result, filters ...load.Filter) report.Cell {
	kinds := r.Failures(filters...)
	total := 0
	var words []string
	for _, kind := range []load.Kind{load.ServerErr, load.Refused, load.Full, load.Reset, load.Timeout, load.OtherCode, load.Protocol, load.Unsent} {
		if n := kinds[kind]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, kind))
			total += n
		}
	}
	cell := report.Number(float64(total), "")
	if len(words) > 0 {
		cell.Text = "(" + strings.Join(words, ", ") + ")"
	}
	return cell
}

// programsIn describes the programs of a directory like testdata/apps; hello.c has been compiled into another one.
func programsIn(apps, compiled string) map[string]peers.Program {
	c, perl, php := filepath.Join(compiled, "hello"), filepath.Join(apps, "hello.pl"), filepath.Join(apps, "hello.php")
	return map[string]peers.Program{
		"C":    {Name: "C", Command: []string{c}, File: c},
		"Perl": {Name: "Perl", Command: []string{perl}, File: perl, Perl: true},
		// Like PHP-FPM's pm.max_requests it does not recycle.
		"PHP": {Name: "PHP", Command: []string{"/usr/bin/php-cgi"}, File: "/usr/bin/php-cgi", PHP: true, Params: map[string]string{"SCRIPT_FILENAME": php}, Env: map[string]string{"PHP_FCGI_MAX_REQUESTS": "0"}},
		// Debian's; what the README says of its configuration is the machine's business.
		"Request Tracker": {Name: "Request Tracker", Command: []string{requestTracker}, File: requestTracker, Perl: true, Params: map[string]string{"SCRIPT_NAME": "/rt"}, Writes: []string{
			"-/var/cache/request-tracker5", "-/var/lib/request-tracker5", "-/var/lib/dbconfig-common/sqlite3/request-tracker5",
		}},
	}
}
