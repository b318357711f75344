package worker

import (
	"errors"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Program is what the files were that a worker is started from.
type Program []ProgramFile

// ProgramFile is what a path was, and what it led to: a deployment may write the
// file, rename another over it, or turn a link to it or to a directory on the way.
type ProgramFile struct {
	Path       string
	Own, Final FileState
	// environment: it is read by us, and what is read is part of the Launch.
	environment bool
}

// FileState distinguishes one content of a file from another as far as stat(2) can.
type FileState struct {
	Device, Inode     uint64
	Size              int64
	Modified, Changed unix.Timespec
	Err               error // an errno: there is no such file, or none that we may see
}

// ReadProgram returns the state of what a worker is started from: its directory, every word of
// its command that is a file's name, or may become one, and its environment file,
// unless systemd alone may read that.
func ReadProgram(l Launch) Program {
	paths := []string{l.Dir}
	for _, word := range l.Argv {
		if word != "" && l.Dir != "" && !path.IsAbs(word) {
			word = l.Dir + "/" + word // path.Join would take .. for the directory before a link
		}
		paths = append(paths, word)
	}
	var p Program
	for _, name := range paths {
		if name != "" {
			p = append(p, ProgramFile{Path: name, Own: stateOf(unix.Lstat, name), Final: stateOf(unix.Stat, name)})
		}
	}
	if l.inputs != nil && l.inputs.read != nil {
		name := strings.TrimPrefix(l.inputs.app.EnvironmentFile, "-")
		p = append(p, ProgramFile{Path: name, Final: stateOf(unix.Stat, name), environment: true})
	}
	return p
}

func stateOf(stat func(string, *unix.Stat_t) error, name string) FileState {
	var st unix.Stat_t
	err := stat(name, &st)
	for errors.Is(err, unix.EINTR) {
		err = stat(name, &st)
	}
	if err != nil {
		return FileState{Err: err}
	}
	f := FileState{Device: st.Dev, Inode: st.Ino}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFLNK:
		f.Size, f.Modified, f.Changed = st.Size, st.Mtim, st.Ctim
	} // a directory's times change with whatever is written in it, a terminal's with each line
	return f
}

// AsRead is the program with its environment file as the launch has read it, which
// may have been long before.
func (p Program) AsRead(l Launch) Program {
	p = slices.Clone(p)
	for n := range p {
		if p[n].environment {
			p[n].Final = *l.inputs.read
		}
	}
	return p
}

// ChangedSince returns the first path that is not what it was before.
func (p Program) ChangedSince(before Program) (name string, differs bool) {
	for n, f := range p {
		if n >= len(before) || f != before[n] {
			return f.Path, true
		}
	}
	return "", false
}
