package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A check tries one thing that the contract promises.
//
// run returns an error that says what it saw and what it wanted. When it returns,
// none of its goroutines is left. It never takes a testing.T, so that a check can
// be run against a store that is broken on purpose and be seen to reject it: see
// the tables in broken_test.go and beside it, in which every check has its store.
type check struct {
	clauses []int  // of store.ResultStore, ascending and without gaps
	offer   string // or else the optional interface that it is about
	name    string
	run     func(context.Context, *subject) error
}

// checks are run in this order: a store that fails an early one should be mended
// there before the later ones are read.
var checks = slices.Concat(
	[]check{
		{clauses: []int{1}, name: "round-trip", run: roundTrip},
		{clauses: []int{1}, name: "value-beside-error", run: valueBesideError},
		{clauses: []int{1}, name: "error-identity", run: errorIdentity},
		{clauses: []int{1}, name: "seen-by-others", run: seenByOthers},

		{clauses: []int{2}, name: "put-held-id", run: putHeldID},
		{clauses: []int{2}, name: "put-held-result", run: putHeldResult},
		{clauses: []int{2}, name: "one-winner", run: oneWinner},
		{clauses: []int{2}, name: "one-winner-again", run: oneWinnerAgain},
		{clauses: []int{2}, name: "one-owner", run: oneOwner},

		{clauses: []int{3}, name: "never-put", run: neverPut},
		{clauses: []int{3}, name: "deleted", run: getDeleted},
		{clauses: []int{3}, name: "neighbours", run: neighbours},

		{clauses: []int{4}, name: "delete-absent", run: deleteAbsent},
		{clauses: []int{4}, name: "put-again", run: putAgain},
		{clauses: []int{4}, name: "many-rounds", run: manyRounds},
		{clauses: []int{4}, name: "concurrent-rounds", run: concurrentRounds},

		{clauses: []int{5}, name: "exactly-once", run: exactlyOnce},
		{clauses: []int{5}, name: "not-the-deleted", run: notTheDeleted},

		{clauses: []int{6}, name: "calls-in-body", run: callsInBody},
		{clauses: []int{6}, name: "delete-as-read", run: deleteAsRead},
		{clauses: []int{6}, name: "nested-loops", run: nestedLoops},
		{clauses: []int{6}, name: "body-waits-for-others", run: bodyWaitsForOthers},
		{clauses: []int{6}, name: "break", run: breakInBody},
		{clauses: []int{6}, name: "panic", run: panicInBody},
		{clauses: []int{6}, name: "left-while-others-write", run: leftWhileOthersWrite},

		// These hang if All holds a lock, which clause 6 has told by then.
		{clauses: []int{5}, name: "changes-in-body", run: changesInBody},
		{clauses: []int{5}, name: "concurrent-changes", run: concurrentChanges},

		{clauses: []int{7}, name: "no-eviction", run: noEviction},
		{clauses: []int{7}, name: "survives-collection", run: survivesCollection},

		{clauses: []int{8}, name: "boundaries", run: boundaryIDs},
		{clauses: []int{8}, name: "concurrent-boundaries", run: concurrentBoundaries},

		{clauses: []int{9}, name: "put-with-done-context", run: putDone},
		{clauses: []int{9}, name: "get-with-done-context", run: getDone},
		{clauses: []int{9}, name: "delete-with-done-context", run: deleteDone},
		{clauses: []int{9}, name: "all-with-done-context", run: allDone},
		{clauses: []int{9}, name: "cancel-in-body", run: cancelInBody},

		{clauses: []int{10}, name: "two-stores", run: twoStores},
		{clauses: []int{10}, name: "two-stores-at-once", run: twoStoresAtOnce},

		{clauses: []int{1, 2, 3, 4, 5}, name: "random-operations", run: randomOperations},
		{clauses: []int{1, 2, 3, 4, 5}, name: "histories", run: histories},
		{clauses: []int{4, 5, 6}, name: "sweep-while-putting", run: sweepWhilePutting},
		{clauses: []int{1, 2, 3, 4, 5, 6, 7}, name: "concurrent-growth", run: concurrentGrowth},
	},
	batchChecks,
	recordChecks,
	reserveChecks,
)

// errNotOffered tells that the store does not implement the optional interface
// which a check is about.
var errNotOffered = errors.New("the store does not offer this")

// fullName is the check's name as a subtest: "clause=2/put-held-id".
func (c check) fullName() string {
	switch n := len(c.clauses); n {
	case 0:
		return c.offer + "/" + c.name
	case 1:
		return fmt.Sprintf("clause=%d/%s", c.clauses[0], c.name)
	default:
		return fmt.Sprintf("clause=%d-%d/%s", c.clauses[0], c.clauses[n-1], c.name)
	}
}

// promise quotes what the check is about.
func (c check) promise() string {
	if c.offer != "" {
		return fmt.Sprintf("store.%s: %s", c.offer, offers[c.offer])
	}
	var b strings.Builder
	for i, n := range c.clauses {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Clause %d of store.ResultStore: %s", n, clauses[n])
	}
	return b.String()
}
