// Package page is the monitor's status page: a [monitor.Report] as HTML, and as
// a stream of what has changed in it.
//
// It promises that a plain GET shows everything: script only keeps the page in
// step with the report, and changes no more of it than has changed. Nothing
// comes from elsewhere, and nothing is inline: the page works under the
// Content-Security-Policy "default-src 'self'". What programs have said is text,
// whatever they say. A reader that is slow or gone costs one bounded slot until
// its next write fails, and delays no other reader.
//
// It refuses to act: there is no POST, and nothing here starts or stops anything.
//
// It imports supervisor/{control, monitor} and the root package.
package page
