// Package control is the interface of a running supervisor: what it says of its
// instances (Status and the words in it), the HTTP handler of its control socket,
// and the client of those who ask, who trust a socket no further than its owner.
//
// It knows the root package only. The supervisor fills a Status; commands, the
// monitor and its page read it, and need no spawner for that.
package control
