// Command fcgisup supervises FastCGI programs: it renders their systemd units
// and nginx upstream, runs them behind inherited sockets and tells how they are.
//
// It is the only place that knows every package: it turns arguments into calls
// and results into text. Each command has a file of its own.
//
// It owns the words of the command line, and imports the rooms below internal. Work is done in a room, never here.
package main
