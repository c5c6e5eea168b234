package enginetest

import (
	"fmt"

	"github.com/resultpool/resultpool/internal/kit"
)

// A check tries one thing that the contract promises. Every check has an engine that it
// rejects: see the tables in broken_test.go and beside it.
type check = kit.Check[*subject]

// checks are run in this order, but for those that wait: an engine that fails an early
// one should be repaired there before the later ones are read.
var checks = []check{
	{Clauses: []int{1}, Name: "round-trip", Try: taskRoundTrip},
	{Clauses: []int{1}, Name: "increasing", Try: increasingIDs},
	{Clauses: []int{1}, Name: "made-anew", Try: madeAnew},
	{Clauses: []int{2}, Name: "again", Try: pushedAgain, Waits: true},
	{Clauses: []int{2}, Name: "again-at-once", Try: pushedAtOnce},
	{Clauses: []int{2}, Name: "in-doubt", Try: pushedInDoubt},
	{Clauses: []int{2}, Name: "other-keys", Try: otherKeys},
	{Clauses: []int{3}, Name: "too-large", Try: tooLargeTask},
	{Clauses: []int{3, 4}, Name: "full", Try: full},
	{Clauses: []int{5}, Name: "no-waiting-for-more", Try: noWaitingForMore},
	{Clauses: []int{5}, Name: "waits-for-one", Try: waitsForOne},
	{Clauses: []int{5}, Name: "order", Try: aboutInOrder},
	{Clauses: []int{5}, Name: "pulls-that-end", Try: pullsThatEnd, Waits: true},
	{Clauses: []int{6}, Name: "held", Try: heldForTheLease, Waits: true},
	{Clauses: []int{7}, Name: "extend", Try: extended, Waits: true},
	{Clauses: []int{7}, Name: "extend-when-ended", Try: extendEnded, Waits: true},
	{Clauses: []int{8}, Name: "nack", Try: nacked},
	{Clauses: []int{9}, Name: "ack", Try: acked, Waits: true},
	{Clauses: []int{9}, Name: "ack-in-part", Try: ackedInPart, Waits: true},
	{Clauses: []int{9}, Name: "ack-when-ended", Try: ackEnded, Waits: true},
	{Clauses: []int{10}, Name: "round-trip", Try: recordRoundTrip},
	{Clauses: []int{10}, Name: "first-wins", Try: firstWins},
	{Clauses: []int{10}, Name: "one-winner", Try: oneWinner},
	{Clauses: []int{11}, Name: "too-large", Try: tooLargeRecord},
	{Clauses: []int{12}, Name: "not-found", Try: notFound},
	{Clauses: []int{13}, Name: "delete", Try: deleted},
	{Clauses: []int{14}, Name: "exactly-once", Try: allOnce},
	{Clauses: []int{14}, Name: "calls-in-body", Try: callsInBody},
	{Clauses: []int{14}, Name: "failed", Try: failedLoops},
	{Clauses: []int{15}, Name: "apart", Try: apart},
	{Clauses: []int{16}, Name: "reopened", Try: reopened, Waits: true},
	{Clauses: []int{17}, Name: "closed", Try: closed},
	{Clauses: []int{17}, Name: "closed-while-waiting", Try: closedWhileWaiting},
	{Clauses: []int{17}, Name: "no-goroutines", Try: noGoroutines},
	{Clauses: []int{18}, Name: "given", Try: givenSlices},
	{Clauses: []int{18}, Name: "returned", Try: returnedSlices},
	{Clauses: []int{1, 4, 5, 6, 8, 9, 10, 14}, Name: "all-at-once", Try: allAtOnce},
	{Offer: "Context", Name: "done-before", Try: doneBefore},
	{Offer: "Context", Name: "done-while-waiting", Try: doneWhileWaiting},
	{Offer: "Waiter", Name: "at-once", Try: waitAtOnce},
	{Offer: "Waiter", Name: "woken", Try: waitWoken},
	{Offer: "Waiter", Name: "race", Try: waitRace},
	{Offer: "Waiter", Name: "ends", Try: waitEnds},
	{Offer: "StartMarker", Name: "counts", Try: startsCount, Waits: true},
	{Offer: "StartMarker", Name: "at-once", Try: startsAtOnce},
	{Offer: "DelayedNacker", Name: "comes-later", Try: comesLater, Waits: true},
	{Offer: "DelayedNacker", Name: "runs", Try: runsCount},
	{Offer: "Sizer", Name: "counts", Try: sizeCounts},
	{Offer: "Describer", Name: "first-wins", Try: describeFirst},
	{Offer: "Retryabler", Name: "of-this-package", Try: retryable},
}

// notOffered skips a check that is about something which the engine, or its Subject, does
// not offer.
func notOffered(what string) {
	kit.Fail(fmt.Errorf("%w: %s", kit.ErrNotOffered, what))
}
