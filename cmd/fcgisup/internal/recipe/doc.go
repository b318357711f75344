// Package recipe holds complete configurations for well-known FastCGI programs, as "fcgisup init NAME" writes them.
//
// A recipe is a YAML file of the recipes directory: a comment header and a configuration that works with Debian 12's
// packages. The header's first line is the title; "Packages:", "Server:" (lines for nginx's server block) and "Try:" (a
// path to ask for) are read by this package, everything else in it is for the reader. docs/programs.md is made of them.
//
// It knows no other package of fcgisup: what a configuration means is not its concern.
package recipe
