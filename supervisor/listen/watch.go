package listen

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Watcher waits for connections on raw listeners, without accepting: epoll(7),
// level-triggered and one-shot, so that a connection which is queued when a
// listener is armed is told at once, and nothing is told twice. That a listener was
// shut down (EPOLLHUP, EPOLLRDHUP) is told like a connection.
type Watcher struct {
	epoll int
	stop  int // eventfd that ends wait
	mu    sync.Mutex
	armed map[int32]func(error)
	// failed is why wait has ended, nil if close has ended it or nothing has.
	failed error
	ended  chan struct{}
}

// NewWatcher begins to wait; Close ends it.
func NewWatcher() (*Watcher, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(epoll))
	}
	w := &Watcher{epoll: epoll, stop: stop, armed: map[int32]func(error){}, ended: make(chan struct{})}
	if err := w.control(stop, unix.EPOLLIN); err != nil {
		return nil, errors.Join(err, unix.Close(stop), unix.Close(epoll))
	}
	go w.wait()
	return w, nil
}

// Arm has f called once, soon after a connection waits on the listener fd, or with
// an error when nothing is waited for any more. F must not block: it holds up the
// news of all listeners.
func (w *Watcher) Arm(fd int, f func(error)) error {
	w.mu.Lock()
	if err := w.failed; err != nil {
		w.mu.Unlock()
		return err
	}
	w.armed[int32(fd)] = f
	w.mu.Unlock()
	return w.control(fd, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLONESHOT)
}

// Disarm takes an arm back; f may be running already.
func (w *Watcher) Disarm(fd int) {
	w.mu.Lock()
	delete(w.armed, int32(fd))
	w.mu.Unlock()
	_ = w.control(fd, 0)
}

// Forget is for a descriptor that is about to become another socket: its workers
// keep the former one open, and with it what epoll knows of it.
func (w *Watcher) Forget(fd int) {
	w.Disarm(fd)
	_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, fd, nil) // it may never have been armed
}

func (w *Watcher) control(fd int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_MOD, fd, &ev)
	if errors.Is(err, unix.ENOENT) {
		err = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &ev)
	}
	return os.NewSyscallError("epoll_ctl", err)
}

func (w *Watcher) wait() {
	defer close(w.ended)
	events := make([]unix.EpollEvent, 16)
	for {
		n, err := unix.EpollWait(w.epoll, events, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			w.fail(os.NewSyscallError("epoll_wait", err))
			return
		}
		for _, ev := range events[:n] {
			if int(ev.Fd) == w.stop {
				return
			}
			w.tell(ev.Fd)
		}
	}
}

func (w *Watcher) tell(fd int32) {
	w.mu.Lock()
	f := w.armed[fd]
	delete(w.armed, fd)
	w.mu.Unlock()
	if f != nil {
		f(nil)
	}
}

// fail has everybody who waits hear that there is nothing to wait for.
func (w *Watcher) fail(err error) {
	w.mu.Lock()
	armed := w.armed
	w.failed, w.armed = err, map[int32]func(error){}
	w.mu.Unlock()
	for _, f := range armed {
		f(err)
	}
}

// Close ends the waiting; nothing is told after it. It returns why waiting had ended before.
func (w *Watcher) Close() error {
	_, err := unix.Write(w.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	if err == nil {
		<-w.ended
	}
	return errors.Join(w.failed, err, unix.Close(w.stop), unix.Close(w.epoll))
}
