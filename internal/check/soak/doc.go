// Package soak keeps one pool under random load for as long as it is told, and
// looks whether it stays what it was: a leak of one task in a thousand is nothing to
// a test of a second, and the end of a service that runs for a month.
//
// The load goes in cycles. In each there are bursts and lulls of tasks that succeed,
// fail, panic, call Goexit and submit others; submitters that give up, and waiters;
// more workers, fewer, and none. Results are deleted as they are read. Then the load
// ends, the last results are read, and nothing may be left of the cycle:
//
//   - every task that was accepted was put exactly once, was read exactly once, and
//     had its own outcome;
//   - the IDs are those that follow the ones of the cycle before;
//   - the store is empty;
//   - of the pool there is one idle worker, and of the load no goroutine;
//   - the live heap is what it was after earlier cycles.
//
// So what a soak needs itself has to be constant: its ledger has a fixed size and is
// used again in each cycle.
package soak
