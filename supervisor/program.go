package supervisor

import (
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// programEvery is how often the program of a worker that waits is looked at. A
// shorter wait is over before it could be worth it.
const programEvery = time.Second

// program is what the files were that a worker is started from.
type program []programFile

// programFile is what a path was, and what it led to: a deployment may write the
// file, rename another over it, or turn a link to it or to a folder on the way.
type programFile struct {
	path       string
	own, final fileState
}

// fileState tells one content of a file from another as far as stat(2) can.
type fileState struct {
	dev, ino          uint64
	size              int64
	modified, changed unix.Timespec
	err               error // an errno: there is no such file, or none that we may see
}

// lookAtProgram looks at what a worker is started from: its folder, every word of
// its command that is a file's name, or may become one, and its environment file.
func lookAtProgram(l Launch) program {
	paths := []string{l.Dir}
	for _, word := range l.Argv {
		if word != "" && l.Dir != "" && !path.IsAbs(word) {
			word = l.Dir + "/" + word // path.Join would take .. for the folder before a link
		}
		paths = append(paths, word)
	}
	if l.recipe != nil {
		paths = append(paths, strings.TrimPrefix(l.recipe.app.EnvironmentFile, "-"))
	}
	var p program
	for _, name := range paths {
		if name != "" {
			p = append(p, programFile{name, stateOf(unix.Lstat, name), stateOf(unix.Stat, name)})
		}
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

// since returns the first path that is not what it was before.
func (p program) since(before program) (name string, differs bool) {
	for n, f := range p {
		if n >= len(before) || f != before[n] {
			return f.path, true
		}
	}
	return "", false
}

// attempted is what a slot knows of the program that failed.
//
// A program that has changed is another one, and is tried at once. Its
// predecessor's failures are forgiven later, with a second attempt, when it has
// held still for a while: a deployment writes more files than those that are
// looked at, and by then the others are there, or come during the short waits
// that follow. What never holds still is no deployment (a log that is named in
// the command, a program that writes its own file): that gets one attempt a
// second at most, and its failures go on counting. And so that what changes now
// and then does not have a series of quick attempts each time, every pardon
// doubles the while, to max_delay; a worker that becomes ready ends all that.
type attempted struct {
	// with is the program at the last attempt; nil after a handover: nobody knows.
	with program
	// changedAt is when it was last seen changed; zero: that is dealt with.
	changedAt time.Time
	// while is how long the next change has to hold still, at least programEvery.
	while time.Duration
}

// waitsLong tells whether the slot waits for so long that its program is looked at.
func (s *slot) waitsLong() bool {
	return (s.m.state == Backoff || s.m.state == Failing) && s.m.deadline.Sub(s.m.since) > programEvery
}

// tickProgram looks at the programs of workers that wait, and ends the wait of
// those that have changed. While none waits nothing is looked at.
func (i *instance) tickProgram(now time.Time) {
	switch {
	case !i.awake || i.leaving || !slices.ContainsFunc(i.slots, (*slot).waitsLong):
		i.programAt = time.Time{}
		return
	case i.programAt.IsZero():
		i.programAt = now.Add(programEvery)
		return
	case now.Before(i.programAt):
		return
	}
	i.programAt = now.Add(programEvery)
	var launch Launch
	var current program
	told := false
	for _, s := range i.slots {
		if !s.waitsLong() {
			continue
		}
		if current == nil || !launch.Equal(s.launch) { // most slots have the same
			launch = s.launch
			current = i.host.program(launch)
		}
		name, differs := current.since(s.last.with)
		switch {
		case differs:
			if s.last.with != nil && !told {
				i.log.Info("the program has changed", "file", name)
				told = true
			}
			i.renew(s)
			s.last.changedAt = now
			i.happen(s, event{kind: changed}, now)
		case !s.last.changedAt.IsZero() && now.Sub(s.last.changedAt) >= s.last.while:
			s.last.changedAt = time.Time{}
			s.last.while = min(2*max(s.last.while, programEvery), i.app.Restart.MaxDelay)
			i.happen(s, event{kind: changed, settled: true}, now)
		}
	}
}

// renew starts the slot's next worker with what the environment file says now.
func (i *instance) renew(s *slot) {
	l, err := s.launch.anew()
	if err != nil {
		i.log.Warn("workers are started as before", "error", err)
		return
	}
	if i.launch.Equal(s.launch) {
		i.launch = l
	}
	s.launch = l
}
