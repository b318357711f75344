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

// state is what outlives the monitor: incidents and undelivered messages, in one file, so that
// they always agree.
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

// openStore locks the directory for this process: two monitors would send everything twice.
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

// load reads the state. A file that cannot be read is moved aside; load then returns an empty state
// and the error.
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

// readRegular reads a file, and does not block if it is a pipe.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// check rejects a state that could not be used.
func (st *state) check() error {
	if st.Version != stateVersion {
		return fmt.Errorf("it has version %d, not %d", st.Version, stateVersion)
	}
	if st.Machine == nil || st.Machine.Incidents == nil || st.Queues == nil {
		return errors.New("it is incomplete")
	}
	for name, t := range st.Machine.Incidents {
		if t == nil {
			return fmt.Errorf("it has no incident of %q", name)
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
