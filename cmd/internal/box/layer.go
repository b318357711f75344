package box

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// unitsOf are the Debian packages whose units a bare box has. The machine's other units would be found by what reads all of
// them, and started by what is enabled.
var unitsOf = []string{"systemd", "dbus", "dbus-system-bus-common", "dbus-daemon", "nginx-common", "fcgiwrap"}

// masked is what would touch the kernel that both machines share, or only costs time.
var masked = []string{
	"systemd-sysctl.service", "systemd-modules-load.service", "kmod-static-nodes.service", "modprobe@.service",
	"systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "systemd-remount-fs.service",
	"sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount",
	"dev-hugepages.mount", "dev-mqueue.mount", "systemd-udevd.service", "systemd-udev-trigger.service",
	"systemd-random-seed.service", "systemd-pstore.service", "systemd-hwdb-update.service",
	"systemd-journal-flush.service", "systemd-journald-audit.socket", "systemd-sysusers.service",
	"systemd-tmpfiles-setup-dev.service", "systemd-tmpfiles-clean.timer",
	"systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-logind.service", "getty.target",
	"systemd-ask-password-console.path", "systemd-ask-password-wall.path",
	"systemd-initctl.socket", "systemd-journal-catalog-update.service", "systemd-update-done.service",
	"systemd-machine-id-commit.service", "systemd-firstboot.service", "systemd-repart.service", "systemd-sysext.service",
	"ldconfig.service",
}

// tunables has programs keep memory that they free. Each map of nginx's, of which every app has three, takes and frees more
// than a megabyte whenever the configuration is read, and a page that a process touches first is dear in a virtual machine.
// Not GLIBC_TUNABLES: the C library moves that, which leaves nginx less space for the titles of its processes.
const tunables = "MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=33554432"

// maskedToo is what no unit of unitsOf needs.
var maskedToo = []string{"systemd-tmpfiles-setup.service", "systemd-user-sessions.service"}

const (
	unitDir      = "usr/lib/systemd/system"
	adminDir     = "etc/systemd/system"
	generatorDir = "usr/lib/systemd/system-generators"
)

// layers are tar archives of what a box has in its root before it boots, each made once. The admin's own units are gone;
// units are masked. In a bare box those of packages that are not in unitsOf are gone as well, and no generator runs, at boot
// and at each daemon-reload.
var bareLayer, wholeLayer = layerOnce(true), layerOnce(false)

func layerOnce(bare bool) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		var archive bytes.Buffer
		w := layerWriter{tar.NewWriter(&archive)}
		err := w.write()
		if err == nil && bare {
			err = w.writeBare()
		}
		if err != nil {
			return nil, err
		}
		return archive.Bytes(), w.Close()
	})
}

// memfile is an open file with the layer, which tar(1) reads.
func memfile(layer func() ([]byte, error)) (*os.File, error) {
	content, err := layer()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("layer", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "layer")
	if _, err := file.Write(content); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

type layerWriter struct{ *tar.Writer }

func (w layerWriter) write() error {
	if err := w.devices(); err != nil {
		return err
	}
	if err := w.opaque(adminDir); err != nil {
		return err
	}
	// Every start of nginx, even nginx -t, gives what is in it to its own user: one on this machine would take it from one in a box.
	if err := w.opaque("var/lib/nginx"); err != nil {
		return err
	}
	if err := w.text("etc/systemd/system.conf.d/box.conf", "[Manager]\nDefaultEnvironment="+tunables+"\n"); err != nil {
		return err
	}
	return w.mask(masked)
}

func (w layerWriter) mask(units []string) error {
	for _, unit := range units {
		if err := w.link(path.Join(adminDir, unit), "/dev/null"); err != nil {
			return err
		}
	}
	return nil
}

func (w layerWriter) writeBare() error {
	if err := w.mask(maskedToo); err != nil {
		return err
	}
	generators, err := os.ReadDir("/" + generatorDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, g := range generators {
		if err := w.link(path.Join("etc/systemd/system-generators", g.Name()), "/dev/null"); err != nil {
			return err
		}
	}
	return w.units()
}

// devices are what containers have: systemd.io/CONTAINER_INTERFACE.
func (w layerWriter) devices() error {
	if err := w.opaque("dev"); err != nil {
		return err
	}
	for name, number := range map[string][2]int64{
		"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "tty": {5, 0},
	} {
		header := &tar.Header{Typeflag: tar.TypeChar, Name: path.Join("dev", name), Mode: 0o666, Devmajor: number[0], Devminor: number[1]}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := w.link(path.Join("dev", name), target); err != nil {
			return err
		}
	}
	return nil
}

// units leaves all as it is where dpkg does not know which package brought what.
func (w layerWriter) units() error {
	kept := map[string]bool{}
	for _, p := range unitsOf {
		list, err := os.ReadFile("/var/lib/dpkg/info/" + p + ".list")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for file := range strings.Lines(string(list)) {
			if _, name, ok := strings.Cut(strings.TrimSpace(file), "/lib/systemd/system/"); ok {
				kept[name] = true
			}
		}
	}
	if len(kept) == 0 {
		return nil
	}
	if err := w.opaque(unitDir); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if err := w.file(path.Join(unitDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// opaque is a directory that hides what the machine has at its place, as overlayfs marks it.
func (w layerWriter) opaque(dir string) error {
	return w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, Format: tar.FormatPAX,
		PAXRecords: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"},
	})
}

func (w layerWriter) link(name, target string) error {
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

func (w layerWriter) text(name, content string) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.Write([]byte(content))
	return err
}

// file copies one of the machine's, whatever it is; one that the admin removed is left out.
func (w layerWriter) file(name string) error {
	source := filepath.Join("/", name)
	info, err := os.Lstat(source)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return w.link(name, target)
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
