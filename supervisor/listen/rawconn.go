package listen

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// rawConn is an accepted connection on its only descriptor. Package net would work
// on a duplicate, and where there is none to be had, under EMFILE, the request
// would be taken from the queue and lost.
type rawConn struct{ *os.File }

// LocalAddr and RemoteAddr are for net.Conn: their values are not used.
func (t rawConn) LocalAddr() net.Addr  { return rawAddr(t.Name()) }
func (t rawConn) RemoteAddr() net.Addr { return rawAddr("") }

// CloseWrite sends the end of file.
func (t rawConn) CloseWrite() error {
	raw, err := t.SyscallConn()
	if err != nil {
		return err
	}
	if errControl := raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) }); errControl != nil {
		return errControl
	}
	return os.NewSyscallError("shutdown", err)
}

// rawAddr is the listener's address, as it is named.
type rawAddr string

func (rawAddr) Network() string  { return "listener" }
func (a rawAddr) String() string { return string(a) }
