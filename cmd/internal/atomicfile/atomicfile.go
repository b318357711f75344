package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts a file in place in one step: a reader finds the old or the new one, never a part.
func Replace(place string, data []byte, mode fs.FileMode) error {
	return ReplaceOwned(place, data, mode, -1, -1)
}

// ReplaceOwned is Replace for a file of another user, who owns it before it has content; -1 leaves an ID, chown(2).
func ReplaceOwned(place string, data []byte, mode fs.FileMode, uid, gid int) error {
	f, err := os.CreateTemp(filepath.Dir(place), "."+filepath.Base(place)+".*")
	if err != nil {
		return err
	}
	if err = f.Chown(uid, gid); err == nil {
		_, err = f.Write(data)
	}
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), place)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// SyncDir makes renames last.
func SyncDir(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
