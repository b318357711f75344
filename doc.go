// Package fcgisup is the vocabulary of the supervisor: what an app is, which
// instances it has and where they listen, and whether the file that says so
// makes sense.
//
// It promises that a [Config] returned without an error is complete (every
// default filled in) and safe to render: no value holds a newline or a NUL, no
// two instances share an address, and every name is one that systemd and nginx
// accept. It refuses everything else, all at once and in file order.
//
// It reads one file in [Load] and has no other effect.
//
// It imports no other package of fcgisup.
package fcgisup
