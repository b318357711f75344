package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// badPrograms are what is put in a program's place, with the mode it gets.
func badPrograms() []string {
	return []string{"#!/bin/sh\nexit 1\n", "\x7fELF", "#!/bin/sh\n", "#!/bin/sh\nexit 0\n"}
}

// breakProgram puts something that does not work in the program's place, and
// kills the workers: nothing can live until it is fixed.
func (f *fleet) breakProgram(ctx context.Context, m *member, s Step) (string, error) {
	// Other supervisors start the program too: the window is the app's.
	end := f.rec.open(Window{Member: m.app, Kind: s.Kind, Starves: true, Condemns: true})
	defer end()
	restore, err := f.spoil(m, badPrograms()[s.Pick%4], s.Pick%4 != 2)
	if err != nil {
		return "", err
	}
	note, err := f.killWorker(ctx, m, Step{Kind: KillWorkers})
	sleep(ctx, s.Hold)
	if _, skipped := isSkip(err); skipped {
		err = nil
	}
	if err := errors.Join(err, restore()); err != nil {
		return note, err
	}
	for _, other := range f.members {
		if other.app == m.app {
			if err := f.awaitWell(ctx, other, startPatience); err != nil {
				return note, err
			}
		}
	}
	return note, nil
}

// spoil breaks a program until restore is called: by the last of those who broke it, if they are several.
func (f *fleet) spoil(m *member, text string, executable bool) (restore func() error, err error) {
	path := filepath.Join(f.disk, m.app+".fcgi")
	aside := path + ".good"
	f.programs.Lock()
	defer f.programs.Unlock()
	if f.broken[m.app] == 0 {
		if err := os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("cannot break a program: %w", err)
		}
	}
	f.broken[m.app]++
	mode := os.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	// On a full disk there is no program at all, which is as good.
	_ = replaceFile(path, text, mode)
	return func() error {
		f.programs.Lock()
		defer f.programs.Unlock()
		f.broken[m.app]--
		if f.broken[m.app] > 0 {
			return nil
		}
		return os.Rename(aside, path)
	}, nil
}
