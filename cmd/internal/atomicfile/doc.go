// Package atomicfile replaces files in one step: a reader finds the old or the new
// one, never a part. It knows nothing of ours.
package atomicfile
