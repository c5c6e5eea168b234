// Package bounded limits how many results a store keeps, and for how long: the oldest are
// deleted first.
//
//	st, err := bounded.New(dense.New[Page](), bounded.Options{MaxResults: 100_000, MaxAge: time.Hour})
//	if err != nil {
//		return err
//	}
//	p, err := pool.New(ctx, fetch, st, nil)
//
// Any store will do. The store that New returns has the optional interfaces of the inner store, and no others.
//
// # What is not promised any more
//
// A result is not held until somebody deletes it (clause 7 of [store.ResultStore]). So the result of a task can be
// read only until it is too old or there are too many newer ones: after that Get returns an error matching
// [store.ErrNotFound], as for a result that was deleted. A pool's Get that waits for a task may miss its result in
// the same way, if many other tasks end between that task's end and the moment at which Get wakes. Choose
// MaxResults well above the number of results that are waited for, or MaxAge well above the time that it takes to
// read them.
//
// # What is oldest
//
// The age of a result is the time since its Put. Results that the store holds when New is called are in order of
// their IDs, and as old as if they had been put then. Ages are not stored: if the program is started again, they
// begin again.
//
// # When results are deleted
//
// In Put, PutBatch and PutRecords: nothing here runs by itself, and no goroutine is started. So a store that gets
// no more results deletes none; but Get and All do not show results that are too old, deleted or not.
//
// The call that exceeds the limit deletes the oldest results after its own is stored. So for a moment there may be
// more than MaxResults: by as many as the calls under way have put. If the store fails to delete a result, that
// result is not shown either. The next Put deletes it before it stores anything; while that fails, it returns the
// store's error with nothing stored, and a pool tries it again. So the limit holds whatever happens.
//
// A batch that is larger than MaxResults is stored whole, as is promised, and then its first results are deleted.
//
// # Cost
//
// The ID and the age of each held result are kept in memory, also for a store on a disk. At the limit each Put is
// followed by a Delete, and each batch by a [store.DeleteAll] of as many results: in a store that is a
// [store.BatchDeleter] the two take about equally long. New reads all that the store holds.
//
// Use the store only through what New returns, and call New once for it: a result that is put into it directly is
// shown, and not counted; one that is deleted from it directly counts until it would be the oldest. If the store has
// to be closed, close it directly.
package bounded
