package storetest

import "github.com/resultpool/resultpool/internal/kit"

// contract returns that of package store, word for word: see TestContract.
func contract() *kit.Contract {
	return &kit.Contract{
		Package:   "store",
		Interface: "ResultStore",
		Clauses: []string{
			1: "When Put returns nil, every Get of that ID that starts afterwards, on " +
				"any goroutine, returns that Result until it is deleted: the same ID, " +
				"the same Value, an Err that matches the same errors under errors.Is, " +
				"and the Value also where there is an Err beside it.",
			2: "Put of an ID that is held changes nothing and returns an error " +
				"matching ErrExists. Of several concurrent Puts of one ID exactly one " +
				"returns nil.",
			3: "Get of an ID that is not held returns an error matching ErrNotFound.",
			4: "After Delete has returned nil, the ID is not held and may be put " +
				"again. Delete of an ID that is not held returns nil and changes " +
				"nothing.",
			5: "A loop over All yields each Result that is held from its beginning to " +
				"its end exactly once. It may or may not yield one that is put or " +
				"deleted meanwhile, yields none twice unless it was deleted and put " +
				"again, and none that was never put. There is no order. A pair with an " +
				"error and an ID that is not 0 is about that result only, which cannot " +
				"be read: the loop goes on. With ID 0 the store has failed or ctx is " +
				"done, and the pair is the last.",
			6: "The body of a loop over All may call every method of the store, loop " +
				"over All again, break, return and panic: no lock is held while it " +
				"runs.",
			7: "A Result is held until it is deleted. A store does not evict, except at a " +
				"limit that its user has set, as package bounded does.",
			8: "Every ID from 1 to the largest uint64 can be held.",
			9: "A method that has to wait returns when ctx is done. With a ctx that is " +
				"done, a method either does its work or returns an error matching " +
				"ctx.Err() or context.Cause(ctx) and changes nothing. A store that " +
				"never waits may ignore ctx.",
			10: "Two stores share nothing.",
		},
		Offers: map[string]string{
			"BatchPutter": "PutBatch stores every Result of res, or none of them and returns an " +
				"error: for ErrExists, ErrRejected and every other error as Put would " +
				"for one of them. It does not change res, and does not keep it after " +
				"it has returned.",
			"RecordPutter": "Encode returns the bytes of res, which are the caller's. It waits " +
				"for nothing. Its error matches ErrRejected. PutRecords is PutBatch of " +
				"the results whose bytes recs are.",
			"BatchDeleter": "DeleteBatch forgets every Result that is held under one of ids, as a Delete " +
				"of each would. It is no error if an ID is not held, or is in ids twice. When " +
				"it returns nil, none of ids is held. After an error, each of them may still " +
				"be held or not, and the call may be repeated. It does not change ids, and " +
				"does not keep it after it has returned.",
			"IDReserver": "ReserveIDs returns the first of n consecutive IDs that no call of it " +
				"has returned before, in this process or an earlier one on the same " +
				"data. Each call's range is above all the ranges before it. n is at " +
				"least 1. If fewer than n IDs are left, it returns an error and " +
				"reserves none. IDs that a pool does not get to use are never used.",
		},
	}
}
