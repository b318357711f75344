// Package nginx renders an app as an nginx upstream and a location, has nginx
// test and load what was rendered, and reads what nginx's own configuration says
// of FastCGI ([Read]).
//
// It promises that what it renders is accepted by nginx 1.18 and later, names
// every instance once and carries every value of the configuration as it is;
// only "$" in parameters and hash keys means something, nginx's variables. It
// never renders an upstream without servers, which nginx refuses, nor
// keepalive, which parks workers that serve one connection at a time.
// Rendering is pure.
//
// It owns nginx's files, its processes and its effective configuration, and imports the root package only.
package nginx
