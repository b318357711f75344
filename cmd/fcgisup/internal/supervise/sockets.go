package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/term"
	"github.com/fcgisup/fcgisup/supervisor/listen"
	"github.com/fcgisup/fcgisup/supervisor/worker"
)

// sockets takes over what a predecessor had, adopts what systemd passed, or makes the instances' own.
func (r *Runner) sockets(app fcgisup.App, instances []fcgisup.Instance, h handover) (_ map[fcgisup.Instance]*listen.Socket, inherited bool, err error) {
	if h.resumes() {
		taken, err := h.Sockets(instances)
		return taken, h.Inherited, err
	}
	if err := plausible(r.Getenv); err != nil {
		return nil, false, err
	}
	if files := activation.Files(true); len(files) > 0 {
		adopted, err := listen.Adopt(files, instances)
		return adopted, true, err
	}
	if err := worker.EndOrphans(app, instances, r.log); err != nil {
		return nil, false, err
	}
	made, err := listen.OnAll(instances, app.Socket)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		err = term.Hinted(err, "--listen PATH or --listen IP:PORT names another address")
	}
	if err == nil && len(instances) > 0 && instances[0].Address.Network == "unix" {
		if why := access.ClosedTo(app.Socket, instances[0].Address.Addr); why != "" {
			r.log.Warn("the web server cannot connect to the socket", "why", why, "hint", "run as root, or listen on 127.0.0.1:PORT, or add "+app.Socket.User+" to the group of the socket")
		}
	}
	return made, false, err
}

// plausible refuses a number of descriptors that no process can have: the
// library would make room for it.
func plausible(getenv func(string) string) error {
	text := getenv("LISTEN_FDS")
	if text == "" {
		return nil
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("cannot adopt sockets: %w", os.NewSyscallError("getrlimit", err))
	}
	if n, err := strconv.ParseUint(text, 10, 64); err != nil || n > limit.Cur {
		return term.Hinted(fmt.Errorf("cannot adopt sockets: LISTEN_FDS is %q", text), "systemd sets it, see sd_listen_fds(3); unset it to have fcgisup create the sockets")
	}
	return nil
}

// CloseSockets closes all of them, and logs what fails.
func CloseSockets(sockets map[fcgisup.Instance]*listen.Socket, log *slog.Logger) {
	for in, s := range sockets {
		if err := s.Close(); err != nil {
			log.Warn("cannot close a socket", "instance", in.String(), "error", err)
		}
	}
}
