// Package doctor finds what refuses or loses requests on this host, or will, and suggests
// fixes. Facts are gathered first (facts*.go, program*.go, script.go, readable.go, writable.go,
// sandbox_needs.go); a table of rules has a pure function of them in each row (rules.go, rules_*.go); the report groups what they
// find (report.go). apply asks some of the rules before it changes anything (preflight.go), and
// "fcgisup sandbox" prints what an app may need (sandbox_report.go).
//
// It changes nothing and starts nothing. It imports internal/{access, deploy, finding, peer,
// startup, term}, supervisor/{control, scoreboard, monitor/alert}, nginx, units and the root package, and no command imports
// into it: deploy never imports doctor.
//
// It is over its budget because a rule is only as good as its fact: whether a program can be executed, through links,
// interpreters, mounts and permissions (program*.go, 700 lines), what a sandbox takes away (sandbox*.go, 470) and what
// nginx's user may connect to are each found without executing anything.
package doctor
