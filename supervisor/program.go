package supervisor

import (
	"errors"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// program is what the files were that a worker is started from.
type program []programFile

// programFile is what a path was, and what it led to: a deployment may write the
// file, rename another over it, or turn a link to it or to a folder on the way.
type programFile struct {
	path       string
	own, final fileState
	// environment: it is read by us, and what is read is part of the Launch.
	environment bool
}

// fileState tells one content of a file from another as far as stat(2) can.
type fileState struct {
	dev, ino          uint64
	size              int64
	modified, changed unix.Timespec
	err               error // an errno: there is no such file, or none that we may see
}

// lookAtProgram looks at what a worker is started from: its folder, every word of
// its command that is a file's name, or may become one, and its environment file,
// unless systemd alone may read that.
func lookAtProgram(l Launch) program {
	paths := []string{l.Dir}
	for _, word := range l.Argv {
		if word != "" && l.Dir != "" && !path.IsAbs(word) {
			word = l.Dir + "/" + word // path.Join would take .. for the folder before a link
		}
		paths = append(paths, word)
	}
	var p program
	for _, name := range paths {
		if name != "" {
			p = append(p, programFile{path: name, own: stateOf(unix.Lstat, name), final: stateOf(unix.Stat, name)})
		}
	}
	if l.recipe != nil && l.recipe.read != nil {
		name := strings.TrimPrefix(l.recipe.app.EnvironmentFile, "-")
		p = append(p, programFile{path: name, final: stateOf(unix.Stat, name), environment: true})
	}
	return p
}

func stateOf(stat func(string, *unix.Stat_t) error, name string) fileState {
	var st unix.Stat_t
	err := stat(name, &st)
	for errors.Is(err, unix.EINTR) {
		err = stat(name, &st)
	}
	if err != nil {
		return fileState{err: err}
	}
	f := fileState{dev: st.Dev, ino: st.Ino}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFLNK:
		f.size, f.modified, f.changed = st.Size, st.Mtim, st.Ctim
	} // a folder's times change with whatever is written in it, a terminal's with each line
	return f
}

// madeOf is the program with its environment file as the launch has read it, which
// may have been long before.
func (p program) madeOf(l Launch) program {
	p = slices.Clone(p)
	for n := range p {
		if p[n].environment {
			p[n].final = *l.recipe.read
		}
	}
	return p
}

// since returns the first path that is not what it was before.
func (p program) since(before program) (name string, differs bool) {
	for n, f := range p {
		if n >= len(before) || f != before[n] {
			return f.path, true
		}
	}
	return "", false
}
