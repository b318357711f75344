package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fcgisup/fcgisup/supervisor/lockfile"
	"github.com/fcgisup/fcgisup/supervisor/monitor/durable"
)

const (
	stateName = "alerts.json"
	lockName  = "alerts.lock"
)

// stateVersion is that of the file's format.
const stateVersion = 1

// state is what outlives the monitor: who is known to be down, and what is yet
// to be delivered, in one file, so that neither is ever without the other.
type state struct {
	Version int `json:"version"`
	// Count numbers the messages.
	Count   uint64            `json:"count"`
	Machine *machine          `json:"machine"`
	Queues  map[string]*queue `json:"queues"`
}

func newState() *state {
	return &state{Version: stateVersion, Machine: newMachine(), Queues: map[string]*queue{}}
}

// store is the directory that state is kept in; an empty one keeps nothing.
type store struct {
	dir  string
	lock *lockfile.Lock
}

// open takes the directory for this process alone: two would tell everything twice.
func openStore(dir string) (*store, error) {
	if dir == "" {
		return &store{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep alerts: %w", err)
	}
	path := filepath.Join(dir, lockName)
	lock, err := lockfile.Try(path, "")
	if err != nil {
		return nil, fmt.Errorf("cannot keep alerts: %w", err)
	}
	return &store{dir: dir, lock: lock}, nil
}

func (s *store) close() {
	if s.lock != nil {
		s.lock.Release()
	}
}

// load reads the state; what cannot be read is put aside, and told in the error
// beside a state to begin with.
func (s *store) load() (*state, error) {
	if s.dir == "" {
		return newState(), nil
	}
	path := filepath.Join(s.dir, stateName)
	data, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newState(), nil
	}
	if err != nil {
		return newState(), fmt.Errorf("cannot read what was firing: %w", err)
	}
	st := newState()
	err = json.Unmarshal(data, st)
	if err == nil {
		err = st.check()
	}
	if err != nil {
		err = fmt.Errorf("cannot read what was firing, %s is kept as %s.bad: %w", path, stateName, err)
		return newState(), errors.Join(err, os.Rename(path, path+".bad"))
	}
	return st, nil
}

// readRegular does not wait for the other end of a pipe that stands in the file's place.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// check refuses what could not be worked with.
func (st *state) check() error {
	if st.Version != stateVersion {
		return fmt.Errorf("it has version %d, not %d", st.Version, stateVersion)
	}
	if st.Machine == nil || st.Machine.Troubles == nil || st.Queues == nil {
		return errors.New("it is incomplete")
	}
	for name, t := range st.Machine.Troubles {
		if t == nil {
			return fmt.Errorf("it has no trouble of %q", name)
		}
	}
	for name, q := range st.Queues {
		if q == nil {
			return fmt.Errorf("it has no queue of %q", name)
		}
		q.counts = map[Result]uint64{}
	}
	return nil
}

// save replaces the file in one step, durably.
func (s *store) save(st *state) error {
	if s.dir == "" {
		return nil
	}
	data, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	if err := durable.Replace(filepath.Join(s.dir, stateName), data); err != nil {
		return fmt.Errorf("cannot save what is firing: %w", err)
	}
	return nil
}
