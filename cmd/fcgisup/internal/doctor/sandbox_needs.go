package doctor

import (
	"context"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
	"github.com/fcgisup/fcgisup/cmd/fcgisup/internal/access"
)

// sandboxNeeds is what an app may need of this host that a sandbox takes away.
type sandboxNeeds struct {
	user string
	// helpers are programs that its user may run and that get power from their file.
	helpers []string
	// protected are directories below /etc and /usr that its user may write, writable those elsewhere.
	protected, writable []string
	// home is its user's, if it is among those that ProtectHome= is about.
	home string
	// temporary are sockets in /tmp and /var/tmp that others listen on.
	temporary []string
	// missing are paths of its systemd.service that are not there.
	missing []configured
	// incomplete tells that time ran out.
	incomplete bool
}

const (
	// needsTimeout bounds the search of a slow disk, needsEntries that of a large one.
	needsTimeout = 10 * time.Second
	needsEntries = 1_000_000
	// searchDepth is how deep below /usr, /etc and the like is looked.
	searchDepth = 4
	// maxNamed bounds what one line of a report names.
	maxNamed = 50
)

// ordinary are set-user-ID and set-group-ID programs of every system that serve people at a
// terminal, and no program of the web.
var ordinary = []string{
	"at", "bsd-write", "chage", "chfn", "chrome-sandbox", "chsh", "crontab", "dbus-daemon-launch-helper", "dotlock.mailutils", "dotlockfile", "expiry",
	"fusermount", "fusermount3", "gpasswd", "locate", "mail-lock", "mail-touchlock", "mail-unlock", "mlocate", "mount", "newgidmap",
	"newgrp", "newuidmap", "ntfs-3g", "passwd", "pkexec", "plocate", "polkit-agent-helper-1", "screen", "ssh-agent", "ssh-keysign", "su",
	"umount", "unix_chkpwd", "utempter", "wall", "write", "write.ul", "Xorg.wrap",
}

// needsOf looks for it as far as it may; what cannot be read is not found.
func needsOf(ctx context.Context, app fcgisup.App) sandboxNeeds {
	ctx, cancel := context.WithTimeout(ctx, needsTimeout)
	defer cancel()
	n := sandboxNeeds{user: app.User, missing: missingPaths(app)}
	who, err := access.Lookup(app.User, app.Group)
	if err != nil || who.UID == 0 {
		return n
	}
	s := &search{ctx: ctx, who: who, seen: map[string]bool{}}
	for _, dir := range programDirectories {
		s.look(dir, 0)
	}
	for _, dir := range namedDirectories(app) {
		s.look(dir, 1)
	}
	for _, dir := range []string{"/etc", "/usr", "/var", "/srv", "/opt"} {
		s.look(dir, searchDepth)
	}
	n.helpers, n.incomplete = s.helpers, ctx.Err() != nil || s.entries > needsEntries
	for _, dir := range s.writable {
		if below(dir, "/etc", "/usr") {
			n.protected = append(n.protected, dir)
		} else {
			n.writable = append(n.writable, dir)
		}
	}
	if u, err := user.Lookup(app.User); err == nil && below(u.HomeDir, "/home", "/root", "/run/user") && isDirectory(u.HomeDir) {
		n.home = u.HomeDir
	}
	n.temporary = socketsIn("/tmp", "/var/tmp")
	return n
}

// programDirectories are the PATH of services, systemd.exec(5); they come first, in case that time runs out. An
// administrator's own programs are likelier to be an app's than those of the distribution.
var programDirectories = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// namedDirectories are those of files that the app names.
func namedDirectories(app fcgisup.App) (dirs []string) {
	for _, p := range slices.Concat([]string{app.Directory}, app.Command, sortedValues(app.Nginx.Params), sortedValues(app.Environment)) {
		if !strings.HasPrefix(p, "/") {
			continue
		}
		if !isDirectory(p) {
			p = filepath.Dir(p)
		}
		if p = filepath.Clean(p); p != "/" && !below(p, "/proc", "/sys", "/dev", "/run") && !slices.Contains(programDirectories, p) {
			dirs = append(dirs, p)
		}
	}
	return dirs
}

func sortedValues(m map[string]string) []string {
	var all []string
	for _, v := range m {
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}

// search walks directories with bounds.
type search struct {
	ctx      context.Context
	who      access.Credentials
	entries  int
	seen     map[string]bool
	helpers  []string
	writable []string
}

// crowded are directories of many files and no programs of ours.
var crowded = []string{
	"/usr/include", "/usr/src", "/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/icons", "/usr/share/fonts",
	"/usr/share/zoneinfo", "/usr/share/perl", "/usr/share/perl5", "/usr/lib/python3", "/usr/lib/modules", "/usr/lib/firmware", "/usr/local/go",
	"/var/lib/dpkg", "/var/lib/apt", "/var/cache/apt", "/etc/ssl/certs", "/usr/share/ca-certificates",
}

// look finds helpers, and the uppermost directories that the user may write, but for those of everybody.
func (s *search) look(root string, depth int) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if s.entries++; s.entries > needsEntries || s.ctx.Err() != nil {
			return fs.SkipAll
		}
		if err != nil {
			return nil // unreadable for us: so it is not found
		}
		if d.Type().IsRegular() {
			s.helper(path, d)
			return nil
		}
		if !d.IsDir() {
			return nil
		}
		if slices.Contains(crowded, path) || strings.Count(strings.TrimPrefix(path, root), "/") > depth {
			return fs.SkipDir
		}
		return s.directory(path, d)
	})
}

func (s *search) directory(path string, d fs.DirEntry) error {
	info, err := d.Info()
	switch {
	case err != nil || info.Mode()&fs.ModeSticky != 0:
		return nil
	case s.may(info, 0o2) && !s.seen[path]:
		s.seen[path] = true
		s.writable = append(s.writable, path)
		return fs.SkipDir
	case s.seen[path]:
		return fs.SkipDir
	}
	return nil
}

func (s *search) helper(path string, d fs.DirEntry) {
	info, err := d.Info()
	if err != nil || info.Mode().Perm()&0o111 == 0 || s.seen[path] {
		return
	}
	power := s.power(path, info)
	if power == "" || slices.Contains(ordinary, filepath.Base(path)) || !s.may(info, 0o1) {
		return
	}
	s.seen[path] = true
	s.helpers = append(s.helpers, path+" ("+power+")")
}

// power is what a file gives to who runs it.
func (s *search) power(path string, info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return ""
	case info.Mode()&fs.ModeSetuid != 0 && int(st.Uid) != s.who.UID:
		return "set-user-ID " + fcgisup.UserName(int(st.Uid))
	case info.Mode()&fs.ModeSetgid != 0 && int(st.Gid) != s.who.GID:
		return "set-group-ID " + fcgisup.GroupName(int(st.Gid))
	}
	if dir := filepath.Dir(path); strings.HasSuffix(dir, "bin") { // a call for each; few are elsewhere
		if n, err := unix.Getxattr(path, "security.capability", nil); err == nil && n > 0 {
			return "file capabilities"
		}
	}
	return ""
}

// may reports whether the user has a permission of rwx, a bit of 7, by the mode.
func (s *search) may(info fs.FileInfo, bit fs.FileMode) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.who.May(int(st.Uid), int(st.Gid), info.Mode().Perm(), bit)
}

// missingPaths are those of the app's own ReadWritePaths= and the like that are not there: systemd ignores them.
func missingPaths(app fcgisup.App) (missing []configured) {
	for _, key := range []string{"ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "BindPaths", "BindReadOnlyPaths"} {
		for _, value := range app.Systemd.Service[key] {
			for word := range strings.FieldsSeq(value) {
				file, _, _ := strings.Cut(strings.TrimPrefix(word, "+"), ":")
				if !strings.HasPrefix(file, "/") || strings.ContainsAny(file, `%"'\`) {
					continue // what begins with - may be missing
				}
				if _, err := os.Stat(file); os.IsNotExist(err) {
					missing = append(missing, configured{"systemd.service." + key, file})
				}
			}
		}
	}
	return missing
}

func socketsIn(dirs ...string) (found []string) {
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // unreadable: none is found
		for _, e := range entries {
			if e.Type()&fs.ModeSocket != 0 {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
	}
	return found
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// below reports whether a path is one of the directories or within one.
func below(path string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return path == d || strings.HasPrefix(path, d+"/") })
}
