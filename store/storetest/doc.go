// Package storetest is a conformance test suite (a kit) and a set of benchmarks for a [store.ResultStore]. It also
// makes faulty stores, for testing code that uses a store.
//
// A store's own test file is complete with these three lines:
//
//	func newStore(testing.TB) store.ResultStore[int] { return mystore.New[int]() }
//
//	func TestConformance(t *testing.T) { storetest.Run(t, newStore) }
//	func BenchmarkStore(b *testing.B)  { storetest.RunBenchmarks(b, newStore) }
//
// # Proving a store
//
// [Run] tries every clause of [store.ResultStore], and the promises of
// [store.BatchPutter], [store.RecordPutter], [store.BatchDeleter] and
// [store.IDReserver] if the store is one. Run it under the race detector, and with
// more than one number of processors:
//
//	go test -race -cpu 1,2,8 -run TestConformance
//
// A store that passes without -race may still lose results.
//
// # What a failure looks like
//
// Each check is a subtest, named after the clause that it tries. It says what it
// saw and what it wanted, and quotes the clause:
//
//	--- FAIL: TestConformance/clause=2/put-held-id (0.00s)
//	    Put(7) returned <nil>, want an error matching store.ErrExists: the ID is held
//
//	    Clause 2 of store.ResultStore: Put of an ID that is held changes nothing …
//
// A panic of the store fails the check that met it. So does a check that has not ended after 30 seconds, and its
// failure shows the stacks of all goroutines; after the third such check the others are skipped. The goroutines of
// a check that hangs are leaked, because Go cannot end them.
//
// # Faulty stores
//
// [WithFaults] makes a store fail on purpose: for a while or for ever, slowly, by
// blocking until the context ends, by panicking, by rejecting a result, or by
// losing an answer.
//
//	st := storetest.WithFaults(rwmutex.New[int](), storetest.Faults{
//		Put: storetest.For(time.Minute, storetest.Fail(errDown)),
//	})
//
// # What newStore must do
//
// Each call of newStore returns a new, empty store, which shares nothing with the others. A store that has to be
// closed is closed by a function given to tb.Cleanup, a store on disk lives in tb.TempDir, and newStore calls
// tb.Fatal if it cannot make one. It may be called on any goroutine. In Run, tb stands for the subtest but is not
// its *testing.T: Cleanup functions run under the same 30 seconds as the check.
//
// # Stores that encode their results
//
// A store outside this process keeps the Value and which errors the Err matches under [errors.Is]. The errors that
// Run puts are context.Canceled, context.DeadlineExceeded, io.EOF, fs.ErrNotExist, store.ErrRejected,
// store.ErrNotRun, store.ErrGoexit, errors that wrap or join some of these, some of them a hundred deep, and one
// that matches none of them. Package codec knows those of packages context and store by itself; a store that
// encodes with it must register the other two, or it fails error-identity:
//
//	codec.Options{Errors: map[string]error{"io.EOF": io.EOF, "fs.ErrNotExist": fs.ErrNotExist}}
//
// A store with a slow Put, for example on a disk, is tested with fewer results, so that a check takes about a
// second; one whose Put takes a microsecond or two holds more than a hundred thousand.
//
// # What is not checked
//
// Whether results survive a crash; what happens when the store's disk or network fails; whether a waiting method
// returns when its ctx ends in the middle (Run cannot make a store wait); and whether two results are confused
// under IDs and orders of events other than those that were tried.
package storetest
