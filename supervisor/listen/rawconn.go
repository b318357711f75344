package listen

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// taken is an accepted connection on its only descriptor. Package net would work
// on a duplicate, and where there is none to be had, under EMFILE, the request
// would be taken from the queue and lost.
type taken struct{ *os.File }

// LocalAddr and RemoteAddr are for net.Conn: nobody here asks who it is.
func (t taken) LocalAddr() net.Addr  { return takenAddr(t.Name()) }
func (t taken) RemoteAddr() net.Addr { return takenAddr("") }

// CloseWrite sends the end of file.
func (t taken) CloseWrite() error {
	raw, err := t.SyscallConn()
	if err != nil {
		return err
	}
	if errControl := raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) }); errControl != nil {
		return errControl
	}
	return os.NewSyscallError("shutdown", err)
}

// takenAddr is the listener's address, as it is named.
type takenAddr string

func (takenAddr) Network() string  { return "listener" }
func (a takenAddr) String() string { return string(a) }
