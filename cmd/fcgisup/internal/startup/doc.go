// Package startup answers whether the service that systemd starts for a sleeping instance gets
// as far as a supervisor, and why not: status, check, doctor and the monitor ask. It starts
// nothing and connects to no app.
//
// It imports units, supervisor/control, internal/{deploy, peer, term} and the root package.
package startup
