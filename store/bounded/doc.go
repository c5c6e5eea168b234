// Package bounded limits how many results a store keeps, and for how long: the oldest are
// deleted first.
//
//	st, err := bounded.New(dense.New[Page](), bounded.Options{MaxResults: 100_000, MaxAge: time.Hour})
//	if err != nil {
//		return err
//	}
//	p, err := pool.New(ctx, fetch, st, nil)
//
// Any store will do. What New returns has the optional interfaces that this one has, and no
// others.
//
// # What is not promised any more
//
// A result is not held until somebody deletes it (clause 7 of [store.ResultStore]), so whoever
// has the ID of a task finds its result only while that is neither too old nor one too many:
// after that Get returns an error matching [store.ErrNotFound], as for a result that was deleted.
// A pool's Get that waits for a task may miss its result in the same way, if many others end
// between that moment and the one at which it wakes. Choose MaxResults well above the number of
// results that are waited for, or MaxAge well above the time that it takes to read them.
//
// # What is oldest
//
// The age of a result is the time since its Put. The results that the store holds when New is
// called are in order of their IDs, and as old as if they had been put then. Ages are not kept
// anywhere: if the program is started again, they begin again.
//
// # When results are deleted
//
// In Put, PutBatch and PutRecords: nothing here runs by itself, and no goroutine is started. So
// a store that gets no more results deletes none; but what is too old is not shown by Get and
// All any more, deleted or not.
//
// The call that puts one too many deletes the oldest when its own result is stored. So there
// may be more than MaxResults for that moment: as many more as there are calls under way, and
// what they put. If the store does not delete what it should, that is not shown either, and the
// next Put deletes it before it stores anything: it returns the error of the store as long as
// that fails, with nothing stored, and a pool tries it again. So the limit holds whatever
// happens.
//
// A batch that is larger than MaxResults is stored whole, as is promised, and then its first
// results are deleted.
//
// # Cost
//
// The ID and the age of each result that is held are kept in memory, also for a store on a
// disk. At the limit each Put is followed by a Delete, and each batch by a [store.DeleteAll] of
// as many: in a store that is a [store.BatchDeleter] the two take about as long as each other.
// New reads all that the store holds.
//
// The store has to be used through what New returns, and through one only: what is put into it
// directly is shown, and not counted; what is deleted from it directly goes on to be counted until it
// would be the oldest. A store that has to be closed is closed directly.
package bounded
