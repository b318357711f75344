// Package durable replaces files so that a crash, of the program or of the
// machine, leaves the old content or the new one, whole.
//
// It refuses to merge or to lock: the writer of a file keeps others from it.
//
// It imports nothing of fcgisup.
package durable
