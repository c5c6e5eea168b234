// Package promises holds the documents to their word: a promise in them names the
// test that would fail without it, and that test has to exist.
//
// Every name of a test, a fuzz target, a benchmark, an example, a check of the kit
// of package storetest, or a step of .ci/run that a document mentions must be one,
// and each row of a table whose last column is for tests must mention one. That
// the test does fail without the promise is for the author to try: no program can
// tell.
//
// The documents lie outside this module, where go test does not look for changes
// before it repeats an old verdict: give it -count=1.
package promises
