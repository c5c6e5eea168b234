// Package linear records what goroutines see of a store, of a pool and of its
// queue while they use it at once, and asks Porcupine whether an order of the
// operations explains it: one at a time, each between its beginning and its end,
// with what a model says each returns.
//
// A store is checked ID by ID, against a variable that is held or not. A pool is
// checked ID by ID as well, against the walk of a task from nothing over waiting,
// running and stored to deleted, and as a whole, in small histories, against its
// counters. The queue is checked against a first-in, first-out line of which each
// operation is two steps.
//
// A load is a function that uses something and returns an error if no order
// explains what it has seen. So the loads are tested as well: stores that are
// broken on purpose must be rejected.
package linear
