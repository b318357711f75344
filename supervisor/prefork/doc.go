// Package prefork makes a program load once and fork its workers: the module that is loaded into a Perl program, the
// conversation with it, what its open descriptors say against a fork, and when a template is tried again.
//
// A program that has the module and arrives at its first FCGI::Accept says so and waits. If nothing is wrong with its
// descriptors it becomes the template: it never accepts, and forks a worker for each order. Otherwise it is told to
// serve, and is a worker like any other.
//
// It may import supervisor/{control, scoreboard}, and no other package of fcgisup.
package prefork
