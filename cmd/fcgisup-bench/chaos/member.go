package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fcgisup/fcgisup/supervisor/control"
)

// spec is a member of the fleet before it lives.
type spec struct {
	app string
	// program is a file of Options.Programs, and what else it needs.
	program, needs string
	// instances have a supervisor each, as under systemd, if split.
	instances int
	split     bool
	workers   string
	network   string
	backlog   int
	health    string
	// hold is who has the listening socket.
	hold hold
	// nginx asks it too; hungry has a small memory cgroup; deaf is told to notify
	// a systemd that does not read.
	nginx, hungry, deaf bool
}

// hold is who has the listening sockets.
type hold string

const (
	own       hold = "own"     // the supervisor itself
	harness   hold = "held"    // we, passing them as systemd does
	bySystemd hold = "systemd" // real systemd
)

const (
	asks  = "{path: /, interval: 500ms, timeout: 3s, failures: 3}"
	pings = "{interval: 500ms, timeout: 3s, failures: 3}"
)

// specs is the fleet: every language, fixed, elastic and forked from a template, unix and TCP, each way to hold a socket.
func specs() []spec {
	return []spec{
		{app: "perl", program: "hello.pl", needs: "/usr/bin/perl", instances: 1, workers: "3", network: "unix", backlog: 511, health: asks, hold: harness, deaf: true},
		{app: "c", program: "hello-c", instances: 1, workers: "{min: 2, max: 6, spare: 1}", network: "unix", backlog: 16, health: pings, hold: own},
		{app: "go", program: "hello-go", instances: 1, workers: "2", network: "tcp", backlog: 511, health: asks, hold: harness},
		{app: "php", program: "hello.php", needs: "/usr/bin/php-cgi", instances: 1, workers: "{min: 2, max: 5, spare: 1}", network: "unix", backlog: 511, health: pings, hold: harness},
		{app: "web", program: "hello.pl", needs: "/usr/bin/perl", instances: 2, split: true, workers: "1", network: "unix", backlog: 511, health: asks, hold: harness, nginx: true},
		{app: "hog", program: "liar.pl", needs: "/usr/bin/perl", instances: 1, workers: "2", network: "tcp", backlog: 511, health: pings, hold: own, hungry: true},
		{app: "unit", program: "hello.pl", needs: "/usr/bin/perl", instances: 2, split: true, workers: "1", network: "unix", backlog: 511, health: asks, hold: bySystemd, nginx: true},
		{app: "fork", program: "hello.pl", needs: "/usr/bin/perl", instances: 1, workers: "{min: 2, max: 5, spare: 1, prefork: perl}", network: "unix", backlog: 511, health: asks, hold: harness},
		{app: "unitc", program: "hello-c", instances: 1, split: true, workers: "{min: 1, max: 4, spare: 1}", network: "tcp", backlog: 511, health: pings, hold: bySystemd},
	}
}

// suited are the members that a kind is about; all of them, whatever the machine.
func suited(k Kind) []string {
	var all []string
	for _, s := range specs() {
		if !s.suits(k) {
			continue
		}
		for n := 1; n <= s.instances; n++ {
			all = append(all, s.member(n))
		}
	}
	return all
}

func (s spec) suits(k Kind) bool {
	switch k {
	case OutOfMemory:
		return s.hungry
	case NoBus, NoJournal:
		return s.hold == bySystemd
	case ShiftedClock, DeafLog, ClosedLog, BrokenSuccessor:
		return s.hold != bySystemd
	case ReloadNginx:
		return s.nginx
	case Overload: // an only worker is busy with the load already; a small backlog refuses what no limit would
		return s.network == "unix" && s.backlog > overloads && s.workers != "1"
	case FewFilesWorker: // php-cgi then cannot read its page, and Go's server ends over the requests of others
		return s.program != "hello.php" && s.program != "hello-go"
	default:
		return true
	}
}

// most is how many workers the configuration allows.
func (s spec) most() int {
	var pool struct{ Max int }
	if n, err := strconv.Atoi(s.workers); err == nil {
		return n
	}
	_ = yaml.Unmarshal([]byte(s.workers), &pool) // our own text
	return pool.Max
}

func (s spec) member(n int) string {
	if s.instances > 1 {
		return fmt.Sprintf("%s@%d", s.app, n)
	}
	return s.app
}

// member is one supervisor, what it runs, and who starts it again.
type member struct {
	spec
	name     string
	instance int
	conf     *config
	targets  []target
	keeper   keeper
	// control is the path of its control socket.
	control string
	// active counts the steps that are about its app, begun those that ever were.
	active, begun *atomic.Int32
}

// config is the configuration file of an app.
type config struct {
	path, command, owner, listen string
	spec                         spec

	mu       sync.Mutex
	greeting int
	interval string
}

func (c *config) text() string {
	return fmt.Sprintf(`apps:
  %s:
    command: %s
    %s
    environment: {GREETING: "greeting %d", PHP_FCGI_MAX_REQUESTS: "300"}
    instances: %d
    workers: %s
    activation: eager
    listen: %s
    health: %s
    limits: {start_timeout: 20s, stop_timeout: 20s, queue_timeout: 500ms}
    restart: {delay: 100ms, max_delay: 1s}
    nginx: {location: /}
`, c.spec.app, c.command, strings.ReplaceAll(c.owner, "BACKLOG", fmt.Sprint(c.spec.backlog)), c.greeting,
		c.spec.instances, c.spec.workers, c.listen, strings.Replace(c.spec.health, "500ms", c.interval, 1))
}

// edit changes what workers are started with, or only what concerns the
// supervisor, and writes the file.
func (c *config) edit(pick uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pick%3 == 0 {
		c.interval = fmt.Sprintf("%dms", 300+pick%5*100)
	} else {
		c.greeting++
	}
	return replaceFile(c.path, c.text(), 0o644)
}

func (c *config) write() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return replaceFile(c.path, c.text(), 0o644)
}

func (c *config) spoil() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return replaceFile(c.path, "apps: {"+c.spec.app+": {comand: []}}\n", 0o644)
}

func (c *config) wantGreeting() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("greeting %d", c.greeting)
}

// replaceFile is what an editor does.
func replaceFile(path, text string, mode os.FileMode) error {
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(next, []byte(text), mode); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Chmod(next, mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// statusPatience bounds the wait for a status.
const statusPatience = 3 * time.Second

// status asks the supervisor how its instances are.
func (m *member) status(ctx context.Context) ([]control.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	var all []control.Status
	err := m.order(ctx, http.MethodGet, "/status", &all)
	return all, err
}

// orderPatience bounds the wait for a restart: every worker may have a long request to end.
const orderPatience = 90 * time.Second

// post gives the supervisor an order, and returns when it has been obeyed.
func (m *member) post(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	return m.order(ctx, http.MethodPost, what, nil)
}

func (m *member) order(ctx context.Context, method, what string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://fcgisup"+what, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", m.control)
	}}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", method, what, m.name, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", method, what, m.name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s of %s: %s: %s", method, what, m.name, resp.Status, strings.TrimSpace(string(text)))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// well tells what is wrong with a member, if anything is.
func (m *member) well(ctx context.Context) error {
	all, err := m.status(ctx)
	if err != nil {
		return err
	}
	for _, st := range all {
		if st.State != control.Up && st.State != control.Saturated || st.Rolling {
			return fmt.Errorf("%s@%d is %s, rolling %v", st.App, st.Instance, st.State, st.Rolling)
		}
		for _, w := range st.Workers {
			switch w.State {
			case control.Starting, control.Backoff, control.Failing, control.Killing:
				return fmt.Errorf("%s@%d has a worker that is %s", st.App, st.Instance, w.State)
			case control.Ready, control.Draining, control.Stopping, control.Stopped:
			}
		}
	}
	return nil
}

// workers are the processes below the supervisor.
func (m *member) workers() []int {
	if pid := m.keeper.pid(); pid != 0 {
		return descendants(pid)
	}
	return nil
}

// recently is as much of a log as belongs to what has just gone wrong.
const recently = 15 * time.Second

// alone remembers whether a step has its app for itself; what comes back tells
// whether that is so still.
func (m *member) alone() func() bool {
	begun, only := m.begun.Load(), m.active.Load() == 1
	return func() bool { return only && m.begun.Load() == begun }
}

// evidence is what the member has to say for itself.
func (m *member) evidence(ctx context.Context) string {
	var text strings.Builder
	fmt.Fprintf(&text, "supervisor %d, workers %v\n", m.keeper.pid(), m.workers())
	if all, err := m.status(ctx); err != nil {
		fmt.Fprintf(&text, "status: %v\n", err)
	} else if j, err := json.Marshal(all); err == nil {
		fmt.Fprintf(&text, "status: %s\n", j)
	}
	return text.String() + "log:\n" + m.keeper.log(time.Now().Add(-recently), time.Now())
}
