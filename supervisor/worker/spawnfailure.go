package worker

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fcgisup/fcgisup"
)

// maxInterpreters is how many scripts may be each other's interpreters, execve(2).
const maxInterpreters = 5

// obstacle names the file that the kernel's error is about: the working directory, a directory on the way to the program,
// the program, or its interpreter. It is empty where nothing is found.
func (l Launch) obstacle(err error) string {
	known := []error{unix.EACCES, unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENOEXEC}
	if len(l.Argv) == 0 || !slices.ContainsFunc(known, func(e error) bool { return errors.Is(err, e) }) {
		return ""
	}
	if l.Dir != "" {
		if why := l.blocked(filepath.Join(l.Dir, "program")); why != "" {
			return why + ": it is the working directory, or on the way to it"
		}
	}
	program := l.Argv[0]
	if !filepath.IsAbs(program) {
		program = filepath.Join("/", l.Dir, program)
	}
	return l.inexecutable(program, "", 0)
}

// inexecutable is why a file cannot be executed. Script is the one whose first line names it, empty for the command itself.
func (l Launch) inexecutable(path, script string, depth int) string {
	if depth > maxInterpreters {
		return ""
	}
	if why := l.blocked(path); why != "" {
		return ofScript(script, why)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ofScript(script, missing(path))
	case err != nil:
		return ""
	case info.IsDir():
		return ofScript(script, path+" is a directory")
	case !info.Mode().IsRegular():
		return ofScript(script, path+" is not a regular file")
	case !l.may(path, info, unix.X_OK):
		return ofScript(script, fmt.Sprintf("%s may not execute %s (%s)", l.userName(), path, fcgisup.Permissions(info)))
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err == nil && st.Flags&unix.ST_NOEXEC != 0 {
		return ofScript(script, path+" is on a file system that is mounted noexec")
	}
	return l.format(path, depth)
}

// format checks the contents of a file that may be executed.
func (l Launch) format(path string, depth int) string {
	file, err := os.Open(path)
	if err != nil {
		return "" // a program need not be readable
	}
	defer file.Close()
	head := make([]byte, 256) // BINPRM_BUF_SIZE
	n, _ := io.ReadFull(file, head)
	line, isScript := bytes.CutPrefix(head[:n], []byte("#!"))
	if !isScript {
		return loader(path, file)
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == 0 })
	if len(words) == 0 {
		return "the first line of " + path + " names no interpreter"
	}
	interpreter := string(words[0])
	if strings.HasSuffix(interpreter, "\r") {
		return fmt.Sprintf("the first line of %s ends in CR LF, so its interpreter is %q, which does not exist", path, interpreter)
	}
	if !filepath.IsAbs(interpreter) {
		interpreter = filepath.Join("/", l.Dir, interpreter)
	}
	return l.inexecutable(interpreter, path, depth+1)
}

// loader is what a binary needs to be loaded, if that is missing, or that it is not a binary for this machine.
func loader(path string, file io.ReaderAt) string {
	binary, err := elf.NewFile(file)
	if err != nil {
		return path + " neither begins with #! nor is it a program for this machine"
	}
	for _, p := range binary.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > unix.PathMax {
			continue
		}
		name, err := io.ReadAll(p.Open())
		if err != nil {
			return ""
		}
		needed := string(bytes.TrimRight(name, "\x00"))
		if _, err := os.Stat(needed); errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("%s needs the loader %s, which does not exist", path, needed)
		}
	}
	return ""
}

// blocked names the first directory on the way to a path that is missing or that the worker's user may not search.
func (l Launch) blocked(path string) string {
	paths := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
		paths = append(paths, real)
	}
	for _, p := range paths {
		at := "/"
		for part := range strings.SplitSeq(strings.Trim(filepath.Dir(p), "/"), "/") {
			at = filepath.Join(at, part)
			info, err := os.Stat(at)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return missing(at)
			case err != nil:
				return ""
			case !info.IsDir():
				return at + " is not a directory"
			case !l.may(at, info, unix.X_OK):
				return fmt.Sprintf("%s may not search the directory %s (%s)", l.userName(), at, fcgisup.Permissions(info))
			}
		}
	}
	return ""
}

// may asks the kernel for this process's own user. For another one it reads the mode, so that an ACL is not seen.
func (l Launch) may(path string, info fs.FileInfo, permission uint32) bool {
	if !l.Switch {
		return !errors.Is(unix.Faccessat(unix.AT_FDCWD, path, permission, unix.AT_EACCESS), unix.EACCES)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case !ok:
		return true
	case l.UID == 0:
		return info.IsDir() || mode&0o111 != 0
	case int(st.Uid) == l.UID:
		mode >>= 6
	case int(st.Gid) == l.GID || slices.Contains(l.Groups, int(st.Gid)):
		mode >>= 3
	}
	return uint32(mode)&permission == permission
}

func (l Launch) userName() string {
	uid := os.Geteuid()
	if l.Switch {
		uid = l.UID
	}
	return "user " + fcgisup.UserName(uid)
}

func missing(path string) string {
	if to, err := os.Readlink(path); err == nil {
		return path + " is a link to " + to + ", which does not exist"
	}
	return path + " does not exist"
}

// ofScript adds which script an interpreter is of.
func ofScript(script, why string) string {
	if script == "" {
		return why
	}
	return "the first line of " + script + " names an interpreter: " + why
}
