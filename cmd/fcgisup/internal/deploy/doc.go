// Package deploy brings a host to what the configuration says, and back: gen (render,
// compare, write), apply and remove. What is there is compared (compare.go), a pure
// plan made of it (plan.go) and carried out step by step (steps.go, execute.go) with
// the way back noted (undo.go); what apply has done is on record (record.go).
//
// It imports units, nginx, fcgi, the root package and internal/{accepted, engine, finding, peer, term, webserver}, asks
// supervisors by supervisor/control, and knows no other command. doctor imports it, never the other
// way round: what doctor would say of apps is handed in as Preflight.
//
// It is over its budget because no request is lost on the way (drain.go, reopen.go, ready.go) and every step before the
// first final one can be undone (undo.go, record.go).
package deploy
