package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes beside path, syncs and renames; the new file is its owner's
// alone (0600). The name beside is always the same, PATH.new: what a killed
// writer left is replaced by the next.
func Replace(path string, data []byte) error {
	// Made, never opened: where others can write, a link may stand there.
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path)) // makes the rename last
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
