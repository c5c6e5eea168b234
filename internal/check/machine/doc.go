// Package machine holds the pool against a model of its life cycle, one step at a
// time: the table of docs/design.md as a program.
//
// Each step is an action of a user: submit, end a task in some way, resize, stop,
// cancel, get, wait, break the store, let time pass, call the pool from inside a
// task. It is done to the pool, in a synctest bubble, and to the model. When all
// goroutines are blocked the model says exactly what is to be seen: which calls
// have returned and with what, which tasks have started, Stats, and what is in the
// store. pgregory.net/rapid picks the steps, and makes a failing run of them small.
//
// Package chaos has what this has not: calls that race.
package machine
