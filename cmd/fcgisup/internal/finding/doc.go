// Package finding is one thing that is wrong on a host, as doctor and apply print it.
// It knows the root package only.
package finding
