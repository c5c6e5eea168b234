// Package kit is what the conformance kits of this module have in common: storetest, which
// tries stores, and enginetest, which tries engines.
//
// A kit is a [Contract], which is text in numbered clauses, and a table of [Check]s, each of
// which tries one of them. A [Run] has a check try its subject under a limit of time. What
// the subject does to it (it panics, ends the goroutine or hangs) is a failure like any
// other, and the failure quotes the clause.
//
// A check fails where it stands, by [Failf], however deep in helpers and in whichever
// goroutine of [Parallel]: it reads as what should happen. It never takes a testing.T, so
// that it can be run against a subject that is broken on purpose and be seen to reject it.
//
// The kits make stores and engines that fail on purpose of a [Fault] for each method.
package kit
