// Package load asks services and measures how they answer, through HTTP or FastCGI itself.
//
// Its open loop sends each request when it is due, whether or not earlier ones were answered, and measures from the
// moment it was due: a service that stalls for a second is seen to stall by every request of that second. A client that
// waits for one answer before it asks again would count one slow request and miss the rest ("coordinated omission").
//
// Every request has an outcome: an answer with status 2xx that arrived whole, or a [Failure] of a named kind. None is
// left out, and none retried: what package net/http sends again, since a kept connection has ended, has failed. A server
// may still try again behind this client's back, as nginx does with several upstream servers. It measures no throughput
// limit: that is wrk's work.
package load
