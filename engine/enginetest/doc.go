// Package enginetest proves an [engine.Engine], and has engines to test what uses one.
//
// An engine's own test file is complete with this:
//
//	func TestConformance(t *testing.T) {
//		enginetest.Run(t, func(tb testing.TB) enginetest.Subject {
//			name := newName() // of a queue that is new
//			return enginetest.Subject{
//				Open:       func(ctx context.Context) (engine.Engine, error) { return myengine.Open(ctx, url, name, opts) },
//				QueueBound: 512,         // as opts say
//				TooLarge:   1<<20 + 1,
//			}
//		})
//	}
//
// # Proving an engine
//
// [Run] tries every clause of [engine.Engine], and the promises of the optional
// interfaces if the engine implements them; what it does not is skipped, and named at
// the beginning. With a lease of one second it takes 10 to 20 seconds, of which most
// is waiting: 9.5 of them for keys that have to be remembered, and the others for leases
// to end. Run it under the race detector, too, and with more than one number of
// processors:
//
//	go test -race -cpu 1,2,8 -run TestConformance
//
// Each call of newSubject returns a queue that is new and empty and shares nothing with
// the others, which live at the same time. What has to be stopped or removed is so by a
// function given to tb.Cleanup, and newSubject calls tb.Fatal if there is no queue to be
// had. It may be called on any goroutine. tb stands for the subtest but is not its
// *testing.T: Cleanup functions run under the same watchdog as the check.
//
// # What a failure looks like
//
// Each check is a subtest, named after the clause that it tries. It says what it saw and
// what it wanted, and quotes the clause:
//
//	--- FAIL: TestConformance/engine/clause=2/again (0.15s)
//	    Push, again with the same key, returned IDs [4 5 6], want [1 2 3] as before
//
//	    Clause 2 of engine.Engine: Push with a key that was used before …
//
// A panic of the engine fails the check that met it. So does a check that has not ended
// after a minute, and its failure shows the stacks of all goroutines; after the third
// such check the others are skipped. The goroutines of a check that hangs are abandoned,
// since Go cannot end them. A check that sees that the machine was too busy for its
// leases is run again, up to three times.
//
// # Engines for tests
//
// [Memory] is a whole engine in the memory of this process, and [WithFaults] makes any
// engine fail on purpose: before or after it took effect, for a while or for ever,
// slowly, by a panic, or by being down until told.
//
//	f := enginetest.WithFaults(enginetest.NewMemory(nil), enginetest.Faults{
//		Save:   enginetest.First(3, enginetest.Lose(errLost)),
//		Record: enginetest.Only(enginetest.Fail(errDamaged), 7), // of All
//	})
//	f.Down(errDown) // until f.Up
//	f.Down(fmt.Errorf("deleted: %w", engine.ErrGone))
//
// # What is not checked
//
// Whether anything survives a crash or a power cut; what happens when a network fails;
// that Extend and Nack of a delivery whose lease has ended leave the lease of the one
// after it alone; that a queue stays bounded by all that is held; what a Save does under
// an ID whose record was deleted; that a key is forgotten in the end; that a record which
// cannot be read is told by All with its ID, and the others come; that ErrGone is told.
package enginetest
