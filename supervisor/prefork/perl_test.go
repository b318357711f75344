package prefork

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// enough bounds every wait of these tests; only what is broken reaches it.
const enough = 30 * time.Second

func TestMain(m *testing.M) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// program is a Perl program under test, with the module.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	conn *Conn
	path string // of the socket that it accepts at
	out  *bufio.Reader
	// inode is that of the socket.
	inode scoreboard.Inode
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// serves is a responder that says who it is, and a random number.
const serves = `use FCGI; my $r = FCGI::Request(); while ($r->Accept >= 0) { print "Content-Type: text/plain\r\n\r\n$$ ", int(rand 1e9), " ", ($ENV{SEEN} // ''), "\n"; }`

func perl(t *testing.T, script string, options ...string) *program {
	t.Helper()
	if err := exec.Command("perl", "-MFCGI", "-e", "1").Run(); err != nil {
		t.Fatal("this test needs perl and libfcgi-perl: ", err)
	}
	dir := t.TempDir()
	if err := Install(dir); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, path: filepath.Join(dir, "s.sock")}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.path})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.SetNonblock(int(socket.Fd()), false)
	var st unix.Stat_t
	if err := unix.Fstat(int(socket.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	p.inode = scoreboard.Inode(st.Ino)
	var theirs *os.File
	if p.conn, theirs, err = Pair(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command("perl", append(options, "-e", script)...)
	if p.cmd.Env, err = Environment(os.Environ(), dir); err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = socket, w, w
	p.cmd.ExtraFiles = make([]*os.File, Descriptor-2)
	p.cmd.ExtraFiles[Descriptor-3] = theirs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(r)
	_ = errors.Join(theirs.Close(), w.Close(), socket.Close())
	t.Cleanup(func() {
		_ = p.conn.Close()
		_ = l.Close()
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.cmd.Wait()
		_ = r.Close()
	})
	return p
}

// says waits for messages.
func (p *program) says(want ...Said) {
	p.t.Helper()
	for _, said := range want {
		_ = p.conn.conn.SetReadDeadline(time.Now().Add(enough))
		m, err := p.conn.Receive()
		if err != nil || m.Said != said {
			p.t.Fatalf("the program says %q (%v), not %q", m.Said, err, said)
		}
	}
}

// keep makes it the template.
func (p *program) keep() {
	p.t.Helper()
	p.says(Loaded, Ready)
	if err := p.conn.Keep(); err != nil {
		p.t.Fatal(err)
	}
}

// worker forks one that accepts; its output comes from the reader.
func (p *program) worker() (int, *bufio.Reader) {
	p.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	b, err := p.conn.Fork(os.Getpid(), w, enough)
	_ = w.Close()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := b.Begin(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = syscall.Kill(b.PID, syscall.SIGKILL)
		_, _ = syscall.Wait4(b.PID, nil, 0, nil)
		_ = r.Close()
	})
	return b.PID, bufio.NewReader(r)
}

// ask sends a request and returns the words of the answer.
func (p *program) ask() []string {
	p.t.Helper()
	conn, err := net.Dial("unix", p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(enough))
	_, err = conn.Write([]byte("\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + "\x01\x04\x00\x01\x00\x00\x00\x00" + "\x01\x05\x00\x01\x00\x00\x00\x00"))
	if err != nil {
		p.t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	_, body, ok := strings.Cut(string(answer), "\r\n\r\n")
	line, _, ended := strings.Cut(body, "\n")
	if !ok || !ended {
		p.t.Fatalf("the answer is %q", answer)
	}
	return strings.Split(line, " ")
}

func stat(t *testing.T, pid int) (parent, group int) {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	parent, _ = strconv.Atoi(fields[1])
	group, _ = strconv.Atoi(fields[2])
	return parent, group
}

func TestATemplateForksWorkersThatAreOurChildren(t *testing.T) {
	t.Parallel()
	p := perl(t, serves)
	p.keep()
	random := map[string]bool{}
	for range 3 {
		pid, _ := p.worker()
		parent, group := stat(t, pid)
		if parent != os.Getpid() || group != pid {
			t.Errorf("worker %d has parent %d and group %d; want %d and its own", pid, parent, group, os.Getpid())
		}
		answer := p.ask()
		if answer[0] != strconv.Itoa(pid) {
			t.Errorf("process %s has answered, not the worker %d", answer[0], pid)
		}
		random[answer[1]] = true
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
			t.Fatal("a worker cannot be waited for: ", err)
		}
	}
	if len(random) != 3 {
		t.Errorf("three workers have %d random numbers", len(random))
	}
}

// signals are what a process does with each signal, as proc_pid_status(5) has it.
func signals(t *testing.T, pid int) (lines string) {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "SigIgn:") || strings.HasPrefix(line, "SigCgt:") {
			lines += line
		}
	}
	return lines
}

// A template without orders forks in advance; that process takes the next order, or ends with the conversation.
func TestAnIdleTemplateForksInAdvance(t *testing.T) {
	t.Parallel()
	p := perl(t, serves)
	p.keep()
	spare := func(but int) (pid int) {
		t.Helper()
		for end := time.Now().Add(enough); pid == 0; time.Sleep(time.Millisecond) {
			children, err := scoreboard.Children(os.Getpid())
			if err != nil || time.Now().After(end) {
				t.Fatal("no process was forked in advance: ", err)
			}
			for _, child := range children {
				if group, _ := unix.Getpgid(child); group == p.cmd.Process.Pid && child != group && child != but {
					pid = child
				}
			}
		}
		return pid
	}
	first := spare(0)
	if pid, _ := p.worker(); pid != first {
		t.Errorf("worker %d is not process %d, which was forked in advance", pid, first)
	}
	if answer := p.ask(); answer[0] != strconv.Itoa(first) {
		t.Errorf("process %s has answered", answer[0])
	}
	if template, worker := signals(t, p.cmd.Process.Pid), signals(t, first); template != worker {
		t.Errorf("the worker handles signals unlike the template:\n%s\n%s", worker, template)
	}
	second := spare(first)
	burst := map[int]bool{}
	for range 3 {
		pid, _ := p.worker()
		burst[pid] = true
	}
	if len(burst) != 3 || !burst[second] {
		t.Errorf("three orders at once made %v", burst)
	}
	third := spare(second)
	_ = p.conn.Close()
	if _, err := syscall.Wait4(third, nil, 0, nil); err != nil {
		t.Error("the process in store has not ended with its template: ", err)
	}
}

func TestAWorkerHasItsOwnOutputAndNothingOfTheTemplates(t *testing.T) {
	t.Parallel()
	p := perl(t, `use FCGI; open my $dup, '>&', \*STDERR; $dup->autoflush; my $r = FCGI::Request(); $r->Accept; print $dup "$$ speaks, options <", $ENV{PERL5OPT} // '', ">\n"; sleep 60`)
	p.keep()
	pid, out := p.worker()
	conn, err := net.Dial("unix", p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + "\x01\x04\x00\x01\x00\x00\x00\x00" + "\x01\x05\x00\x01\x00\x00\x00\x00"))
	line, err := out.ReadString('\n')
	if want := strconv.Itoa(pid) + " speaks, options <>\n"; line != want {
		t.Errorf("the worker's output is %q (%v), not %q", line, err, want)
	}
	if _, err := os.Lstat("/proc/" + strconv.Itoa(pid) + "/fd/" + strconv.Itoa(Descriptor)); err == nil {
		t.Error("the worker has the template's socket")
	}
}

func TestAProgramThatMayNotBeATemplateServes(t *testing.T) {
	t.Parallel()
	p := perl(t, serves)
	p.says(Loaded, Ready)
	if err := p.conn.Serve(); err != nil {
		t.Fatal(err)
	}
	if answer := p.ask(); answer[0] != strconv.Itoa(p.cmd.Process.Pid) {
		t.Errorf("process %s has answered", answer[0])
	}
}

func TestAProgramServesWithoutItsSupervisor(t *testing.T) {
	t.Parallel()
	p := perl(t, serves)
	p.says(Loaded, Ready)
	_ = p.conn.Close()
	if answer := p.ask(); answer[0] != strconv.Itoa(p.cmd.Process.Pid) {
		t.Errorf("process %s has answered", answer[0])
	}
}

func TestATemplateEndsWithItsSupervisor(t *testing.T) {
	t.Parallel()
	p := perl(t, `END { print "must not run\n" } `+serves)
	p.keep()
	_ = p.conn.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if out, _ := io.ReadAll(p.out); len(out) > 0 {
		t.Errorf("the end of a template has written %q", out)
	}
}

func TestWhatForksByItselfIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := perl(t, `use FCGI; fork // die or do {`+strings.TrimPrefix(serves, "use FCGI;")+`exit }; sleep 60`)
	p.says(Loaded, Child)
	if answer := p.ask(); answer[0] == strconv.Itoa(p.cmd.Process.Pid) {
		t.Error("the parent has answered")
	}
}

func TestTaintModeLoadsNothing(t *testing.T) {
	t.Parallel()
	p := perl(t, serves, "-T")
	if answer := p.ask(); answer[0] != strconv.Itoa(p.cmd.Process.Pid) {
		t.Errorf("process %s has answered", answer[0])
	}
	_ = p.conn.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if m, err := p.conn.Receive(); err == nil {
		t.Errorf("a program in taint mode has said %q", m.Said)
	}
}
