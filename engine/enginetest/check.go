package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A check tries one thing that the contract promises.
//
// try returns nil or fails, and when it does, none of its goroutines is left. It never
// takes a testing.T, so that a check can be run against an engine that is broken on
// purpose and be seen to reject it: see the tables in broken_test.go and beside it, in
// which every check has its engine.
type check struct {
	clauses []int  // of engine.Engine, ascending
	offer   string // or else what it is about: a key of offers
	name    string
	try     func(s *subject)
	waits   bool // most of the time, for leases to end
}

// checks are run in this order, but for those that wait: an engine that fails an early
// one should be mended there before the later ones are read.
var checks = slices.Concat(
	[]check{
		{clauses: []int{1}, name: "round-trip", try: taskRoundTrip},
		{clauses: []int{1}, name: "whole-batch", try: pushedWhole},
		{clauses: []int{1}, name: "increasing", try: increasingIDs},
		{clauses: []int{1}, name: "unique-at-once", try: uniqueAtOnce},
		{clauses: []int{1}, name: "made-anew", try: madeAnew},

		{clauses: []int{2}, name: "again", try: pushedAgain},
		{clauses: []int{2}, name: "again-when-done", try: pushedWhenDone},
		{clauses: []int{2}, name: "again-at-once", try: pushedAtOnce},
		{clauses: []int{2}, name: "again-later", try: pushedLater, waits: true},
		{clauses: []int{2}, name: "other-keys", try: otherKeys},

		{clauses: []int{3}, name: "some-fit", try: someFit},
		{clauses: []int{3}, name: "too-large", try: tooLargeTask},
		{clauses: []int{3}, name: "refused", try: refusedPush},

		{clauses: []int{4}, name: "full", try: full},

		{clauses: []int{5}, name: "at-most", try: atMost},
		{clauses: []int{5}, name: "no-waiting-for-more", try: noWaitingForMore},
		{clauses: []int{5}, name: "waits-for-one", try: waitsForOne},
		{clauses: []int{5}, name: "order", try: aboutInOrder},
		{clauses: []int{5}, name: "pulls-that-end", try: pullsThatEnd, waits: true},

		{clauses: []int{6}, name: "held", try: heldForTheLease, waits: true},
		{clauses: []int{6}, name: "attempts", try: attempts, waits: true},

		{clauses: []int{7}, name: "extend", try: extended, waits: true},
		{clauses: []int{7}, name: "extend-when-ended", try: extendEnded, waits: true},

		{clauses: []int{8}, name: "nack", try: nackWakesOthers},
		{clauses: []int{8}, name: "nack-some", try: nackSome},

		{clauses: []int{9}, name: "ack", try: acked, waits: true},
		{clauses: []int{9}, name: "ack-when-ended", try: ackEnded, waits: true},

		{clauses: []int{10}, name: "round-trip", try: recordRoundTrip},
		{clauses: []int{10}, name: "first-wins", try: firstWins},
		{clauses: []int{10}, name: "batch-again", try: batchAgain},
		{clauses: []int{10}, name: "whole-batch", try: wholeBatch},
		{clauses: []int{10}, name: "one-winner", try: oneWinner},

		{clauses: []int{11}, name: "too-large", try: tooLargeRecord},

		{clauses: []int{12}, name: "not-found", try: notFound},

		{clauses: []int{13}, name: "delete", try: deleted},

		{clauses: []int{14}, name: "exactly-once", try: allOnce},
		{clauses: []int{14}, name: "calls-in-body", try: callsInBody},
		{clauses: []int{14}, name: "break-and-panic", try: leftLoops},
		{clauses: []int{14}, name: "failed", try: failedLoops},
		{clauses: []int{14}, name: "while-others-write", try: allWhileWriting},

		{clauses: []int{15}, name: "apart", try: apart},

		{clauses: []int{16}, name: "reopened", try: reopened, waits: true},

		{clauses: []int{17}, name: "closed", try: closed},
		{clauses: []int{17}, name: "closed-while-waiting", try: closedWhileWaiting},
		{clauses: []int{17}, name: "others-stay-open", try: othersStayOpen},
		{clauses: []int{17}, name: "no-goroutines", try: noGoroutines},

		{clauses: []int{18}, name: "given", try: givenSlices},
		{clauses: []int{18}, name: "returned", try: returnedSlices},

		{offer: "Context", name: "done-before", try: doneBefore},
		{offer: "Context", name: "done-while-waiting", try: doneWhileWaiting},

		{clauses: []int{1, 4, 5, 6, 8, 9, 10, 14}, name: "all-at-once", try: allAtOnce},
	},
	waiterChecks,
	starterChecks,
	sizerChecks,
	describerChecks,
	retryablerChecks,
)

// errNotOffered tells that there is not what a check is about.
var errNotOffered = errors.New("not offered")

func notOffered(format string, args ...any) {
	panic(failure{fmt.Errorf("%w: %s", errNotOffered, fmt.Sprintf(format, args...))})
}

// optional returns eng as the optional interface I, or says that it is none.
func optional[I any](h *handle, name string) I {
	offer, ok := h.Engine.(I)
	if !ok {
		notOffered("THE ENGINE IS NO engine.%s", name)
	}
	return offer
}

// run tries s and returns what it found.
func (c check) run(s *subject) (err error) {
	settle(&err, func() error { c.try(s); s.allKnown(); return nil })
	return err
}

// fullName is the check's name as a subtest: "clause=2/again".
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
		return fmt.Sprintf("engine.%s: %s", c.offer, offers[c.offer])
	}
	var b strings.Builder
	for i, n := range c.clauses {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Clause %d of engine.Engine: %s", n, clauses[n])
	}
	return b.String()
}

// newSubjectOf returns sub for one check.
func newSubjectOf(ctx context.Context, sub Subject, l limits) *subject {
	return &subject{Subject: sub, ctx: ctx, remember: l.remember, tasks: make(map[uint64]*taskSeen)}
}
