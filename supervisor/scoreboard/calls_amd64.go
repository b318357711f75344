package scoreboard

import "golang.org/x/sys/unix"

// kindOf sorts the calls of this architecture by what they wait for.
func kindOf(number int) callKind {
	switch number {
	case unix.SYS_ACCEPT, unix.SYS_ACCEPT4:
		return acceptCall
	case unix.SYS_POLL, unix.SYS_PPOLL:
		return pollCall
	case unix.SYS_SELECT, unix.SYS_PSELECT6:
		return selectCall
	case unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2:
		return epollCall
	case unix.SYS_READ, unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG:
		return readCall
	case unix.SYS_RESTART_SYSCALL:
		return restartCall
	case unix.SYS_IO_URING_ENTER:
		return ringCall
	}
	return otherCall
}
