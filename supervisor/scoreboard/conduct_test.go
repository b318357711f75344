package scoreboard

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// conductWorker answers each byte on a connection with one; "c" has it start a process as well, as a wrapper of CGI programs
// does; "u" is written to a file instead, and "e" ends that and is answered; "b" has it leave the connection to a background process,
// as a program does that starts one without closing its descriptors.
const conductWorker = `
open my $pid, '+>', undef or die;
syswrite $pid, "held open\n";
while (accept my $conn, STDIN) {
	my $file;
	while (sysread $conn, my $byte, 1) {
		open $file, '+>', undef or die if $byte eq 'u' && !$file;
		if ($byte eq 'u') { syswrite $file, $byte; next }
		undef $file if $byte eq 'e';
		syswrite $conn, $byte;
		exec('sleep', '3600') if $byte eq 'b' && !(fork // die);
		last if $byte eq 'b';
		if ($byte eq 'c' && !(fork // die)) { close $conn; exec('sleep', '3600') }
	}
	close $conn;
}`

// conductBed is a worker of one thread, which a Go program is not, and what is judged of it.
type conductBed struct {
	*Listener
	path    string
	group   Group
	conduct Conduct
}

func newConductBed(t *testing.T) *conductBed {
	t.Helper()
	b := &conductBed{path: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", b.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	_ = f.Fd() // a blocking one
	worker := perl(t, "$^F = 1000;"+conductWorker, int(f.Fd()))
	if b.Listener, err = Open(int(f.Fd())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Listener.Close() })
	b.group = Group{Leader: worker.pid}
	return b
}

// judged are the numbers of connections, of those that are answered, and of those that are kept.
func (b *conductBed) judged(t *testing.T) (all, answered, kept int) {
	t.Helper()
	conns, err := b.Accepted()
	if err != nil {
		t.Fatal(err)
	}
	if b.group.PIDs, err = (&Groups{}).Members(b.group.Leader); err != nil {
		t.Fatal(err)
	}
	a, k := b.conduct.Judge(b.Inode(), []Group{b.group}, conns, Holds(b.group.PIDs, conns))
	for _, is := range k {
		if is {
			kept++
		}
	}
	return len(conns), len(a), kept
}

// becomes looks until it is judged so, as a supervisor does.
func (b *conductBed) becomes(t *testing.T, what string, all, answered, kept int) {
	t.Helper()
	var x, y, z int
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if x, y, z = b.judged(t); x == all && y == answered && z == kept {
			return
		}
	}
	t.Fatalf("%s: %d connections, %d answered, %d kept; want %d, %d, %d", what, x, y, z, all, answered, kept)
}

func (b *conductBed) ask(t *testing.T, conn net.Conn, with string) {
	t.Helper()
	if _, err := io.WriteString(conn, with); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func (b *conductBed) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", b.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestConductKept: a connection on which nothing was answered is a request, however long its client sends nothing; one
// that was answered, and rests, is kept until the next request comes.
func TestConductKept(t *testing.T) {
	t.Parallel()
	b := newConductBed(t)
	b.becomes(t, "at rest", 0, 0, 0)
	conn := b.dial(t)
	for end := time.Now().Add(restFor + 500*time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, answered, kept := b.judged(t); answered+kept != 0 {
			t.Fatalf("before the first request: %d answered, %d kept", answered, kept)
		}
	}
	b.ask(t, conn, "a")
	begin := time.Now()
	b.becomes(t, "after an answer", 1, 0, 1)
	if took := time.Since(begin); took < restFor {
		t.Errorf("called kept after %s", took)
	}
	b.ask(t, conn, "a")
	if _, _, kept := b.judged(t); kept != 0 {
		t.Error("a request that has just been served is called a kept connection")
	}
	b.becomes(t, "after another answer", 1, 0, 1)
	_ = conn.Close()
	b.becomes(t, "after the end", 0, 0, 0)
}

// TestConductAnswered: a connection that only a background process has, while its worker accepts again, is not a request.
func TestConductAnswered(t *testing.T) {
	t.Parallel()
	b := newConductBed(t)
	b.becomes(t, "at rest", 0, 0, 0)
	conn := b.dial(t)
	b.ask(t, conn, "b")
	b.becomes(t, "left to a background process", 1, 1, 0)
	next := b.dial(t)
	b.ask(t, next, "a")
	b.becomes(t, "beside a kept one", 2, 1, 1)
}

// TestConductUpload: a worker that has started a process for its request writes to that, and then waits for more of the
// upload, which looks like an answer and a kept connection.
func TestConductUpload(t *testing.T) {
	t.Parallel()
	b := newConductBed(t)
	b.becomes(t, "at rest", 0, 0, 0)
	conn := b.dial(t)
	b.becomes(t, "before the first request", 1, 0, 0)
	b.ask(t, conn, "a")
	b.becomes(t, "after an answer", 1, 0, 1)
	b.ask(t, conn, "c")
	b.isNotKept(t)
	_ = conn.Close()
	b.becomes(t, "after the end", 0, 0, 0)
}

// TestConductUploadToFile: what a worker writes to a file of its own is not an answer, while the file is open.
func TestConductUploadToFile(t *testing.T) {
	t.Parallel()
	b := newConductBed(t)
	b.becomes(t, "at rest", 0, 0, 0)
	conn := b.dial(t)
	b.becomes(t, "before the first request", 1, 0, 0)
	b.ask(t, conn, "a")
	b.becomes(t, "after an answer", 1, 0, 1)
	for range 2 {
		if _, err := io.WriteString(conn, "u"); err != nil {
			t.Fatal(err)
		}
		b.isNotKept(t)
	}
	b.ask(t, conn, "e")
	b.becomes(t, "after the answer to the upload", 1, 0, 1)
}

// isNotKept watches a connection for longer than it takes to be called kept.
func (b *conductBed) isNotKept(t *testing.T) {
	t.Helper()
	time.Sleep(50 * time.Millisecond) // until the worker has read
	for end := time.Now().Add(restFor + 500*time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, answered, kept := b.judged(t); answered+kept != 0 {
			t.Fatalf("in the middle of an upload: %d answered, %d kept", answered, kept)
		}
	}
}
