package storetest

import "github.com/resultpool/resultpool/internal/kit"

// A check tries one thing that the contract promises. Each has stores to reject in the
// tables in broken_test.go and beside it.
type check = kit.Check[*subject]

// checks are run in this order: a store that fails an early one should be repaired
// there before the later ones are read.
var checks = []check{
	{Clauses: []int{1}, Name: "round-trip", Try: roundTrip},
	{Clauses: []int{1}, Name: "error-identity", Try: errorIdentity},
	{Clauses: []int{1}, Name: "seen-by-others", Try: seenByOthers},

	{Clauses: []int{2}, Name: "put-held-id", Try: putHeldID},
	{Clauses: []int{2}, Name: "one-winner", Try: oneWinner},

	{Clauses: []int{3}, Name: "never-put", Try: neverPut},
	{Clauses: []int{3}, Name: "neighbours", Try: neighbours},

	{Clauses: []int{4}, Name: "delete-absent", Try: deleteAbsent},
	{Clauses: []int{4}, Name: "many-rounds", Try: manyRounds},
	{Clauses: []int{4}, Name: "concurrent-rounds", Try: concurrentRounds},

	{Clauses: []int{5}, Name: "exactly-once", Try: exactlyOnce},

	{Clauses: []int{6}, Name: "calls-in-body", Try: callsInBody},
	{Clauses: []int{6}, Name: "break", Try: breakInBody},
	{Clauses: []int{6}, Name: "panic", Try: panicInBody},

	// This hangs if All holds a lock, which clause 6 has told by then.
	{Clauses: []int{5}, Name: "concurrent-changes", Try: concurrentChanges},

	{Clauses: []int{7}, Name: "no-eviction", Try: noEviction},

	{Clauses: []int{8}, Name: "boundaries", Try: boundaryIDs},

	{Clauses: []int{9}, Name: "put-with-done-context", Try: putDone},
	{Clauses: []int{9}, Name: "get-with-done-context", Try: getDone},
	{Clauses: []int{9}, Name: "delete-with-done-context", Try: deleteDone},
	{Clauses: []int{9}, Name: "all-with-done-context", Try: allDone},
	{Clauses: []int{9}, Name: "cancel-in-body", Try: cancelInBody},

	{Clauses: []int{10}, Name: "two-stores", Try: twoStores},

	{Clauses: []int{1, 2, 3, 4}, Name: "races", Try: races},
	{Clauses: []int{4, 5, 6}, Name: "sweep-while-putting", Try: sweepWhilePutting},

	{Offer: "BatchPutter", Name: "equals-puts", Try: batches(batchEqualsPuts)},
	{Offer: "BatchPutter", Name: "all-or-none", Try: batches(batchAllOrNone)},
	{Offer: "BatchPutter", Name: "same-id-twice", Try: batches(batchSameIDTwice)},
	{Offer: "BatchPutter", Name: "no-eviction", Try: batches(batchNoEviction)},
	{Offer: "BatchPutter", Name: "does-not-keep", Try: batches(batchDoesNotKeep)},
	{Offer: "BatchPutter", Name: "one-winner", Try: batches(batchOneWinner)},
	{Offer: "BatchPutter", Name: "done-context", Try: batches(batchDoneContext)},

	{Offer: "RecordPutter", Name: "equals-puts", Try: records(batchEqualsPuts)},
	{Offer: "RecordPutter", Name: "all-or-none", Try: records(batchAllOrNone)},
	{Offer: "RecordPutter", Name: "same-id-twice", Try: records(batchSameIDTwice)},
	{Offer: "RecordPutter", Name: "does-not-keep", Try: records(recordsNotKept)},
	{Offer: "RecordPutter", Name: "one-winner", Try: records(batchOneWinner)},
	{Offer: "RecordPutter", Name: "done-context", Try: records(batchDoneContext)},
	{Offer: "RecordPutter", Name: "unreadable", Try: records(unreadable)},
	{Offer: "RecordPutter", Name: "encode-puts-nothing", Try: records(encodePutsNothing)},
	{Offer: "RecordPutter", Name: "encode-at-once", Try: records(encodeAtOnce)},
	{Offer: "RecordPutter", Name: "encode-rejects", Try: records(encodeRejects)},

	{Offer: "BatchDeleter", Name: "equals-deletes", Try: deletesEqual},
	{Offer: "BatchDeleter", Name: "absent", Try: deletesAbsent},
	{Offer: "BatchDeleter", Name: "does-not-keep", Try: deletesNotKept},
	{Offer: "BatchDeleter", Name: "at-once", Try: deletesAtOnce},
	{Offer: "BatchDeleter", Name: "done-context", Try: deletesDone},

	{Offer: "IDReserver", Name: "increasing", Try: reserveIncreasing},
	{Offer: "IDReserver", Name: "concurrent", Try: reserveConcurrent},
	{Offer: "IDReserver", Name: "done-context", Try: reserveDone},
	{Offer: "IDReserver", Name: "runs-out", Try: reserveRunsOut},
}
