package supervisor

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/supervisor/control"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// waitLimit bounds every wait of these tests; it is reached only by what is broken.
const waitLimit = 30 * time.Second

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in %s it never happened: %s", waitLimit, what)
		}
	}
}

// bed is a supervisor with real sockets, whose workers are testdata/worker.
type bed struct {
	t       *testing.T
	app     fcgisup.App
	sup     *Supervisor
	spawner *worker.Spawner
	sockets map[fcgisup.Instance]*listen.Socket
	cancel  context.CancelFunc
	ended   chan error

	journal journal
	mu      sync.Mutex
	output  []string
	pids    []int
	probes  atomic.Int64
	// next is what Reload reads; nil: there is none.
	next atomic.Pointer[fcgisup.App]
}

// journal is a log in memory.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// roleApp has one lazy instance on a unix socket in dir, whose worker plays role.
func roleApp(role, dir string) fcgisup.App {
	app := fcgisup.Default("t")
	app.Command = []string{workerPath()}
	app.User = ""
	app.Environment = map[string]string{
		roleVariable: role,
		markVariable: filepath.Join(dir, "mark"),
	}
	app.Listen = fcgisup.Listen{Path: filepath.Join(dir, "%i.sock")}
	app.Socket = fcgisup.Socket{Mode: 0o600, Backlog: 128}
	app.Health.Interval = 0
	app.Limits.StartTimeout = 20 * time.Second
	app.Limits.StopTimeout = 20 * time.Second
	app.Restart = fcgisup.Restart{Delay: 20 * time.Millisecond, MaxDelay: 200 * time.Millisecond, Factor: 2}
	return app
}

// freePort is a TCP address on which no process listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func onTCP(t *testing.T) func(*fcgisup.App) {
	t.Helper()
	host, port, _ := net.SplitHostPort(freePort(t))
	n, _ := strconv.Atoi(port)
	return func(a *fcgisup.App) { a.Listen = fcgisup.Listen{Host: host, Port: n} }
}

// run starts a supervisor of an app; the test's end stops it.
func run(t *testing.T, role string, changes ...func(*fcgisup.App)) *bed {
	t.Helper()
	b := prepare(t, role, changes...)
	b.start()
	return b
}

// prepare is run without the running.
func prepare(t *testing.T, role string, changes ...func(*fcgisup.App)) *bed {
	t.Helper()
	b := &bed{t: t, app: roleApp(role, t.TempDir()), spawner: worker.NewSpawner(), sockets: map[fcgisup.Instance]*listen.Socket{}}
	for _, change := range changes {
		change(&b.app)
	}
	for _, in := range b.app.Expand() {
		s, err := listen.On(in, b.app.Socket)
		if err != nil {
			t.Fatal(err)
		}
		b.sockets[in] = s
	}
	sup, err := New(Options{
		App: b.app, Sockets: b.sockets, Spawner: b.spawner, Environ: os.Environ(),
		Probe: func(context.Context, fcgisup.App, fcgisup.Instance) control.ProbeResult {
			b.probes.Add(1)
			return control.ProbeResult{Err: errors.New("these workers speak no FastCGI"), Class: "protocol"}
		},
		Unavailable: func(_ context.Context, conn net.Conn, retry time.Duration) error {
			_, err := fmt.Fprintf(conn, "503\n%d\nend\n", int(retry.Seconds()))
			return err
		},
		Reload: func() (fcgisup.App, error) {
			if app := b.next.Load(); app != nil {
				return *app, nil
			}
			return fcgisup.App{}, errors.New("fcgisup.yaml:3:5: unknown key")
		},
		Output: func(_ fcgisup.Instance, line string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.output = append(b.output, line)
		},
		Log: slog.New(slog.NewTextHandler(&b.journal, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.sup = sup
	return b
}

func (b *bed) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.cancel, b.ended = cancel, make(chan error, 1)
	go func() { b.ended <- b.sup.Run(ctx) }()
	b.t.Cleanup(func() {
		b.sup.Kill()
		b.stop()
		if b.t.Failed() {
			b.t.Log(b.journal.String(), b.lines())
		}
	})
}

// stop ends Run and closes everything, and is idempotent.
func (b *bed) stop() {
	b.t.Helper()
	if b.cancel == nil {
		return
	}
	b.cancel()
	b.cancel = nil
	select {
	case err := <-b.ended:
		if err != nil {
			b.t.Errorf("Run: %v", err)
		}
	case <-time.After(waitLimit):
		b.t.Fatal("Run does not return")
	}
	b.spawner.Close()
	for _, s := range b.sockets {
		if err := s.Close(); err != nil {
			b.t.Errorf("Close: %v", err)
		}
	}
}

func (b *bed) address() fcgisup.Address { return b.app.Instance(1).Address }

func (b *bed) status() control.Status { return b.sup.Snapshot()[0] }

func (b *bed) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.output)
}

// spawns counts what the journal says was started.
func (b *bed) spawns() int {
	n := 0
	for line := range strings.Lines(b.journal.String()) {
		if strings.Contains(line, "msg=worker") && strings.Contains(line, "to=starting") {
			n++
		}
	}
	return n
}

// received is what a worker answered.
type received struct {
	pid  int
	text string
}

// ask sends one request and insists on the whole answer.
func (b *bed) ask(line string) received {
	b.t.Helper()
	r, err := request(b.address(), line)
	if err != nil {
		b.t.Fatalf("%q: %v", line, err)
	}
	if !slices.Contains(b.pids, r.pid) {
		b.pids = append(b.pids, r.pid)
	}
	return r
}

// later sends a request whose answer is read when the function that comes back is called.
func (b *bed) later(line string) func() received {
	b.t.Helper()
	conn, err := net.Dial(b.address().Network, b.address().Addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		b.t.Fatal(err)
	}
	return func() received {
		b.t.Helper()
		r, err := receive(conn)
		if err != nil {
			b.t.Fatalf("%q: %v", line, err)
		}
		return r
	}
}

func request(a fcgisup.Address, line string) (received, error) {
	conn, err := net.Dial(a.Network, a.Addr)
	if err != nil {
		return received{}, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return received{}, err
	}
	return receive(conn)
}

func receive(conn net.Conn) (received, error) {
	_ = conn.SetReadDeadline(time.Now().Add(waitLimit))
	all, err := io.ReadAll(conn)
	if err != nil {
		return received{}, err
	}
	text, whole := strings.CutSuffix(string(all), "\nend\n")
	number, text, ok := strings.Cut(text, "\n")
	pid, err := strconv.Atoi(number)
	if !whole || !ok || err != nil {
		return received{}, fmt.Errorf("a cut answer: %q", all)
	}
	return received{pid, text}, nil
}

// worker waits until the first worker is in a state.
func (b *bed) worker(want control.State) control.WorkerStatus {
	b.t.Helper()
	var w control.WorkerStatus
	eventually(b.t, "a worker is "+string(want), func() bool {
		for _, w = range b.status().Workers {
			if w.State == want {
				return true
			}
		}
		return false
	})
	return w
}

// is waits until the instance is in a state.
func (b *bed) is(want control.InstanceState) control.Status {
	b.t.Helper()
	var st control.Status
	eventually(b.t, "the instance is "+string(want), func() bool {
		st = b.status()
		return st.State == want
	})
	return st
}

// gone waits until none of the processes is left.
func gone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		eventually(t, "process "+strconv.Itoa(pid)+" is gone", func() bool { return !alive(pid) })
	}
}

// attribute is a number in a line of the journal; 0 without it.
func attribute(line, key string) int {
	for field := range strings.FieldsSeq(line) {
		if text, ok := strings.CutPrefix(field, key+"="); ok {
			n, _ := strconv.Atoi(text)
			return n
		}
	}
	return 0
}

var update = flag.Bool("update", false, "rewrite the goldens")

var epoch = time.Unix(1_000_000, 0)

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", path, diff)
	}
}

// groupLives reports whether a process group has a process that is not a zombie.
func groupLives(group int) bool {
	members, err := scoreboard.Members(group)
	return err != nil || len(members) > 0
}
