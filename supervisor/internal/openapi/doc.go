// Package openapi holds the descriptions of the HTTP interfaces in docs to the code, in tests: it knows the part of OpenAPI 3.1
// that they use.
//
// It imports nothing of fcgisup, and tests alone import it.
package openapi
