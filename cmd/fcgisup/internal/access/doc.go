// Package access answers who may do what on this host: the users and groups that it knows, a
// user's credentials, and whether these credentials may open a file or connect to a socket,
// which is tried as that user without opening or connecting. It changes nothing.
//
// It imports internal/term and the root package.
package access
