// Package enginetest is a conformance test suite (a kit) for an [engine.Engine], and has engines for testing code
// that uses one.
//
// An engine's own test file is complete with this:
//
//	func TestConformance(t *testing.T) {
//		enginetest.Run(t, func(tb testing.TB) enginetest.Subject {
//			name := newName() // of a queue that is new
//			return enginetest.Subject{
//				Open:       func(ctx context.Context) (engine.Engine, error) { return myengine.Open(ctx, url, name, opts) },
//				QueueBound: 512, // as opts say
//				TooLarge:   1<<20 + 1,
//			}
//		})
//	}
//
// # Proving an engine
//
// [Run] tries every clause of [engine.Engine], and the promises of the optional interfaces if the engine implements
// them. With a lease of one second (the time for which a pulled task is held) it takes 10 to 20 seconds, mostly
// waiting for leases to end and for keys that must be remembered. Run it under the race detector, and with several
// numbers of processors:
//
//	go test -race -cpu 1,2,8 -run TestConformance
//
// Each call of newSubject returns a new, empty queue that shares nothing with the others, which live at the same
// time. It may be called on any goroutine. It gives tb.Cleanup what has to be stopped or removed, and calls
// tb.Fatal if it cannot make a queue. tb is not the subtest's *testing.T: its Cleanup functions run under the same
// watchdog as the check.
//
// Each check is a subtest, named after the clause that it tries. Its failure says what it saw and what it wanted,
// and quotes the clause:
//
//	--- FAIL: TestConformance/engine/clause=2/again (0.15s)
//	    Push, again with the same key, returned IDs [4 5 6] and error <nil>, want [1 2 3] as before
//
//	    Clause 2 of engine.Engine: Push with a key that was used before …
//
// A panic of the engine fails the check that met it. So does a check that has not ended
// after a minute, and its failure shows the stacks of all goroutines; after the third
// such check the others are skipped. A check that finds the machine too busy for its
// leases is run again, up to three times.
//
// # What is not checked
//
// Whether anything survives a crash or a power cut; what happens when a network fails; whether Extend and Nack of a
// delivery whose lease has ended leave the next delivery's lease alone; whether held tasks count towards the bound
// of the queue; what a Save does under an ID whose record was deleted; whether a key is forgotten in the end;
// whether All yields a record that cannot be read with its ID, and the others; whether ErrGone is returned.
//
// # Engines for tests
//
// [Memory] is a whole engine in the memory of this process, and [WithFaults] makes any
// engine fail on purpose.
package enginetest
