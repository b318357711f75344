// Package web is the monitor's HTTP interface: who may see what, and the API.
//
// It promises that nothing is shown or done without the token where there is
// one, that nothing is ever done without one, and that no other site's page can
// have a browser do it: see [Handler]. It does not draw the page.
//
// It owns the routes, the token and the API of docs/openapi; it imports supervisor/monitor and the root package, and neither page
// nor alert: they meet in internal/watch.
package web
