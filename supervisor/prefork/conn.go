package prefork

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup/supervisor/scoreboard"
)

// Said is what a program with the module says.
type Said string

// The messages of a program.
const (
	// Loaded: Perl has loaded the module.
	Loaded Said = "loaded"
	// Ready: the program is at its first accept, and waits for an order.
	Ready Said = "ready"
	// Child: a process that the program has forked is at its first accept.
	Child Said = "child"
)

// Message is one of them, from a process; 0 if that is not the one that it says.
type Message struct {
	Said Said
	PID  int
}

func parseMessage(text string) (Message, error) {
	said, number, _ := strings.Cut(text, " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 {
		return Message{}, fmt.Errorf("%q is not a message", text)
	}
	switch s := Said(said); s {
	case Loaded, Ready, Child:
		return Message{s, pid}, nil
	default:
		return Message{}, fmt.Errorf("%q is not a message", text)
	}
}

// Conn is the supervisor's end of the conversation with a program.
type Conn struct {
	conn *net.UnixConn
	// theirs is the program's end.
	theirs scoreboard.Inode
}

// Pair makes a conversation; theirs is for the program, at [Descriptor].
func Pair() (ours *Conn, theirs *os.File, err error) {
	conn, theirs, err := pair()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket for the program: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(theirs.Fd()), &st); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot read the state of the socket for the program: %w", err), conn.Close(), theirs.Close())
	}
	return &Conn{conn, scoreboard.Inode(st.Ino)}, theirs, nil
}

// pair keeps messages apart. The other end is not that of package net, which would make it non-blocking.
func pair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "prefork"), os.NewFile(uintptr(fds[1]), "prefork")
	defer ours.Close()
	err = unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	conn, err := net.FileConn(ours) // a duplicate
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// Receive waits for a message; an error is the end of the conversation.
func (c *Conn) Receive() (Message, error) {
	text, sender, err := read(c.conn)
	if err != nil {
		return Message{}, err
	}
	m, err := parseMessage(text)
	if m.PID != sender {
		m.PID = 0 // it lies, or is in a PID namespace of its own
	}
	return m, err
}

// read also returns the process that has sent the message, as the kernel says: the program may lie about it, and no signal
// must go to a process that has nothing to do with it.
func read(conn *net.UnixConn) (text string, sender int, err error) {
	var buf, oob [64]byte
	n, m, _, _, err := conn.ReadMsgUnix(buf[:], oob[:])
	if err != nil || n == 0 {
		return "", 0, cmp.Or(err, io.EOF)
	}
	messages, _ := unix.ParseSocketControlMessage(oob[:m])
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			sender = int(cred.Pid)
		}
		fds, _ := unix.ParseUnixRights(&messages[i]) // which are not asked for
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}
	return string(buf[:n]), sender, nil
}

// Keep makes a program that is ready the template.
func (c *Conn) Keep() error { return c.order("template") }

// Serve has a program that is ready accept requests itself.
func (c *Conn) Serve() error { return c.order("serve") }

// Close ends a template, and has a program that is not one yet serve.
func (c *Conn) Close() error { return c.conn.Close() }

func (c *Conn) order(text string) error {
	// The few bytes find room, unless the program has stopped reading long ago.
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := c.conn.Write([]byte(text)); err != nil {
		return fmt.Errorf("cannot give the template an order: %w", err)
	}
	return nil
}

// Birth is a worker that a template has forked, and that waits to begin.
type Birth struct {
	PID  int
	conn *net.UnixConn
}

// Fork has the template fork a worker whose output goes to a file, as a child of the process parent, which must be its
// nearest subreaper.
func (c *Conn) Fork(parent int, output *os.File, within time.Duration) (*Birth, error) {
	conn, theirs, err := pair()
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket for the worker: %w", err)
	}
	deadline := time.Now().Add(within)
	_ = errors.Join(c.conn.SetWriteDeadline(deadline), conn.SetDeadline(deadline))
	_, _, err = c.conn.WriteMsgUnix([]byte("fork "+strconv.Itoa(parent)), unix.UnixRights(int(output.Fd()), int(theirs.Fd())), nil)
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, fmt.Errorf("cannot give the template an order: %w", errors.Join(err, conn.Close()))
	}
	text, sender, err := read(conn)
	pid, bad := strconv.Atoi(text)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("the template has not forked a worker within %s", within)
	case err != nil || text == "":
		err = errors.New("the template could not fork a worker")
	case bad != nil || pid <= 1 || pid != sender:
		err = fmt.Errorf("the template has answered %q instead of the process that answers, %d", text, sender)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Birth{PID: pid, conn: conn}, nil
}

// Begin has the worker accept.
func (b *Birth) Begin() error {
	_, err := b.conn.Write([]byte{'b'})
	return errors.Join(err, b.conn.Close())
}

// Drop ends the worker.
func (b *Birth) Drop() { _ = b.conn.Close() }
