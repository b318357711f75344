// Package webserver renders an app for web servers other than nginx: Apache httpd, Caddy, HAProxy, lighttpd.
//
// What it renders does what package nginx's files do, as far as the server can: it balances over the instances' sockets,
// closes the connection after each request, never takes a socket out of use because its queue was full, sends no request
// twice that may have been executed, and answers 503 with Retry-After while the queue is full. A location /app serves /app
// and /app/…, not /application. Parameters of nginx.params are translated with nginx's variables; what a server has no
// counterpart for is a [Note] and a comment at its place. Rendering is pure.
//
// It imports nginx and the root package.
package webserver
