package prefork

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a program says of processes is believed as far as the kernel confirms it.
func TestOnlyTheProcessThatAnswersIsAWorker(t *testing.T) {
	t.Parallel()
	self, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for answer, want := range map[string]string{
		self: "", other: "instead of the process", "1": "instead of the process", "-1": "instead of the process", "": "could not fork",
		"99999999999999999999": "instead of the process", self + "\x00": "instead of the process",
	} {
		ours, theirs, err := Pair()
		if err != nil {
			t.Fatal(err)
		}
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		program, ended := int(theirs.Fd()), make(chan struct{})
		go func() {
			defer close(ended)
			var text, oob [64]byte
			_, n, _, _, _ := unix.Recvmsg(program, text[:], oob[:], unix.MSG_CMSG_CLOEXEC)
			messages, _ := unix.ParseSocketControlMessage(oob[:n])
			fds, _ := unix.ParseUnixRights(&messages[0])
			if answer != "" {
				_ = unix.Sendmsg(fds[1], []byte(answer), unix.UnixRights(0), nil, 0)
			}
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
		}()
		b, err := ours.Fork(1, null, enough)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("answer %q: %v", answer, err)
		}
		if b != nil {
			b.Drop()
		}
		<-ended
		_, _ = theirs.Write([]byte("ready " + other))
		if m, err := ours.Receive(); err != nil || m.Said != Ready || m.PID != 0 {
			t.Errorf("%+v, %v of a message about another process", m, err)
		}
		_, _, _ = ours.Close(), theirs.Close(), null.Close()
	}
}
