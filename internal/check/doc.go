// Package check attacks this module with tools that the root module does without:
// random pools, state machines, recorded histories, mutants and long runs. Each
// has a package of its own below this one.
package check
