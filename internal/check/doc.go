// Package check attacks this module with tools that the root module does without:
// random pools, state machines, recorded histories and long runs; package rules checks the
// repository itself. Each has a package of its own below this one.
package check
