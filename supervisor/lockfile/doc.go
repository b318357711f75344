// Package lockfile locks files that only their owner can open.
//
// Any user who can open a file, for reading too, can hold a flock(2) on it for
// as long as they like. A lock is therefore a regular file of mode 0600 of our
// own user with a single link, never a directory, a configuration or another
// file that exists for a different purpose. Waiting always has a limit.
//
// It owns lock files and the choice of their place, and imports the root package.
package lockfile
