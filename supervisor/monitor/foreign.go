package monitor

import "github.com/fcgisup/fcgisup"

// ForeignLimit bounds one text of others in a report or a message, in bytes.
const ForeignLimit = 400

// foreign is text of others as a report shows it.
func foreign(s string) string { return fcgisup.PrintableAtMost(s, ForeignLimit) }
