package fcgisup

import _ "embed"

// Example is the commented configuration that "fcgisup init" writes: Request
// Tracker in five instances. "fcgisup gen" falls back to it.
//
//go:embed example.yaml
var Example []byte
