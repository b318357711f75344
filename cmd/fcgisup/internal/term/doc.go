// Package term is what all commands share between a person and the work: their
// streams and surroundings (Env), exit codes and hints, complaints about the command
// line, words for sh(1), and where the configuration is found.
//
// It knows the root package and cobra, and no command.
package term
