// Package api guards what users of the root module see of it: the exported API of
// its packages, and the modules and packages that come with it.
//
// The API is in docs/api.txt, one line for each exported thing. The test fails
// where the code says something else, so a change of the API is a change of that
// file, in the same commit, for a reader to see:
//
//	go test ./internal/check/api -update
//
// What the tests read lies outside this module, where go test does not look for
// changes before it repeats an old verdict: give it -count=1.
package api
