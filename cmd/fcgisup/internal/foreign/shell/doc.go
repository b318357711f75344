// Package shell follows a shell script without running it. It knows the variables that the script sets, takes the branches
// that it can decide, and reports each simple command with its words. What depends on something outside the script
// (the environment, a file, the output of a program, a condition that cannot be decided) is a [Word] that says why it is unknown.
//
// It is pure: it reads no file but those that the [Host] lends it. Time and memory are bounded; see maxSteps.
//
// It imports nothing of fcgisup but mvdan.cc/sh's parser. The interpreter of that module cannot be used: it would run the
// script, and it has no value that is unknown.
package shell
