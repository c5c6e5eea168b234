// Package enginetest has engines to test what uses an [engine.Engine]: [Memory] is a
// whole one in the memory of this process, and [WithFaults] makes any of them fail on
// purpose.
//
//	f := enginetest.WithFaults(enginetest.NewMemory(nil), enginetest.Faults{
//		Save: enginetest.First(3, enginetest.Lose(errLost)),
//	})
//	f.Down(errDown) // until f.Up
package enginetest
