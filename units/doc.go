// Package units renders an app as systemd units, and tells systemd's manager over
// D-Bus what to do with them ([Connect]).
//
// It promises that what it renders is what the app says: every value arrives
// in the running service byte for byte, whatever it contains, and the units
// pass systemd-analyze verify under systemd 252 and later. It refuses the few
// values that systemd has no way to write. Rendering is pure: no clock, no
// disk, the same app gives the same bytes.
//
// It owns the names of all units (names.go), what they contain, reading them back, and everything said to systemd. It imports
// the root package only.
package units
