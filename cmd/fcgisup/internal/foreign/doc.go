// Package foreign reads what other managers of FastCGI programs are configured
// with, and says it in fcgisup's words: supervisord's [fcgi-program:x], PHP-FPM's
// pools, systemd's units, the command lines of spawn-fcgi and multiwatch.
//
// It promises that nothing is dropped silently: a directive is in the result, or
// means what fcgisup does anyway, or there is a [Note] of it with its line. What
// another manager does by default, and fcgisup does not, is written out. Whatever
// it returns, fcgisup.Parse accepts. It refuses to guess what is essential: an app
// whose command or socket is not known is left out, and a Note says why.
//
// A directive without a key is a row of a table (remarks.go, programRemarks, poolRemarks, ownDirectives), and so are the
// options of the programs that stand before spawn-fcgi (wrappers.go). It imports package shell, units and the root package.
//
// It is over its budget because each manager's directives, each wrapper's options and a follower of shell are written
// out: what is not written out would be guessed, or lost.
//
// It is pure: no disk, no environment, no user database but what [Options] lend it.
package foreign
