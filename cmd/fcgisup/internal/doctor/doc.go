// Package doctor finds what refuses or loses requests on this host, or will, and suggests
// fixes. Facts are gathered first (facts*.go, program*.go, script.go, readable.go, writable.go,
// sandbox_needs.go); a table of rules has a pure function of them in each row (rules.go, rules_*.go); the report groups what they
// find (report.go). apply asks some of the rules before it changes anything (preflight.go), and
// "fcgisup sandbox" prints what an app may need (sandbox_report.go).
//
// It changes nothing and starts nothing. It imports internal/{access, deploy, finding, peer,
// startup, term}, supervisor/control, nginx, units and the root package, and no command imports
// into it: deploy never imports doctor.
package doctor
