// Package demo is "fcgisup demo": a tour of five instances of a FastCGI program that is built in
// (worker.go), with nothing installed.
//
// It imports internal/{peer, service, show, supervise, term}, supervisor, supervisor/control,
// fcgi, nginx and the root package.
package demo
