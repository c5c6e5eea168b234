// Package engine is the interface between a pool and a queue that many machines share (the engine): it handles
// tasks and results as bytes, in batches, and does not know their types.
//
//	eng, err := jetstream.Open(ctx, "nats://10.0.0.7:4222", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//
// Users of an engine need only the name [Engine] from here. To write one, implement it, read its numbered clauses,
// and prove that your engine keeps them with package enginetest, a conformance test suite, in one line:
//
//	func TestConformance(t *testing.T) { enginetest.Run(t, newSubject) }
//
// # Who does what
//
// An engine moves bytes. It never retries, never logs, starts no work of its own for a task, and looks into neither
// tasks nor results. The pool encodes and decodes, gathers results into batches, retries with growing pauses
// (backoff), extends leases, finds the tasks that kill their processes, and decides what a failure means. So each
// of these is written once, for all engines.
//
// # The life of a task
//
// A task is pushed, and has an ID from then on. It is pulled by a pool on one of the machines, which holds a lease
// on it (a visibility timeout: until it ends, nobody else gets the task) and extends the lease while it works. When
// the result is saved, and only then, the task is acknowledged and forgotten. If the process dies or is cut off,
// the lease ends, and the task is delivered again, to any of the pools. So a task is run at least once, and has
// exactly one result: the first that was saved.
package engine

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A Record is a result as bytes, under the ID of its task.
type Record struct {
	ID   uint64 // of the task
	Data []byte // what was saved
}

// A Delivery is a task that an engine has handed out.
type Delivery struct {
	ID   uint64 // what Push has returned
	Task []byte // what was pushed; the receiver's own

	// Attempt counts the deliveries of this task: 1 is the first. That is not how often the task was started: a
	// process that dies may have pulled the task and not started it.
	Attempt int

	// Runs counts the deliveries that ended with NackAfter of a [DelayedNacker]: the process did not die in those.
	Runs int

	// Token is the engine's own handle of this delivery. A caller hands the Delivery back unchanged.
	Token any
}

// An Engine is a queue and its results, shared by all who have opened it under the
// same name. All methods may be called from any number of goroutines at once. A
// method that waits returns when ctx is done, with an error matching ctx.Err() or
// context.Cause(ctx).
//
// An engine may put several tasks in one message, which it stores, delivers and forgets
// together. Each of them has its own ID and result. What follows from that is said below.
//
// Package enginetest checks each clause under the number that it has here.
//
// Pushing:
//
//  1. When Push returns nil, each of tasks is in the queue, and ids[i] is the ID of
//     tasks[i]. IDs are never 0, and increase in the order of tasks, but for one that
//     was refused with ErrFull and is pushed again. A Push that begins after another
//     has returned gets higher IDs. No ID is given to two tasks, also not after the
//     engine was closed and opened again, or made anew under the same name.
//  2. A Push may be repeated, with the same key and the same tasks. It does not add a
//     task again that an earlier one has added, but returns the ID of that task, for as
//     long as the engine remembers the key. That is at least 10 seconds, also if the
//     task is done by then. There are two exceptions. An engine that has died itself may
//     forget the keys of tasks that are done. An engine that puts several tasks in one
//     message may know only the keys of this handle, and each of them only until a Push
//     with it has returned nil.
//  3. With an error, ids is nil or as long as tasks, and ids[i] is 0 if tasks[i] is
//     not known to be in the queue. With an error matching [ErrFull] or [ErrTooLarge]
//     those are not in the queue, neither by this call nor by an earlier one with the
//     same key. With one matching [ErrRefused] they are not by this call. With any
//     other error they may be: Push again with the same key and the same tasks tells.
//  4. A queue is bounded, by tasks or by messages. A Push that finds no room does not wait: it returns an error
//     matching ErrFull, drops nothing, and there is room again when tasks are
//     acknowledged.
//
// Pulling:
//
//  5. Pull returns at least one task and at most limit. It waits only while there is
//     none; it does not wait for more once there is one. Every task that is in the
//     queue and not held under a lease is delivered in the end, in about the order of
//     the IDs.
//  6. A task that is delivered is held: no Pull of anybody delivers it again until the
//     lease ends, and then one does, with a higher Attempt. The lease ends when Lease
//     has passed since the delivery, or the last Extend of it.
//  7. Extend makes the leases of ds begin again now, and with them those of all tasks in
//     the same messages. For a delivery whose lease has ended or whose task is
//     acknowledged, it does nothing, or returns an error that says so.
//  8. Nack ends the leases of ds at once: the tasks are delivered again without
//     delay, and to whoever pulls.
//  9. After Ack has returned nil, the tasks of ds are gone from the queue, or will be in
//     a moment. A task that shares a message with others is gone only when all tasks of
//     the message are acknowledged; until then it may be delivered again, when the lease
//     of the message ends. Ack of a task that is gone returns nil or an error, and
//     changes nothing.
//
// Results:
//
//  10. When Save returns nil, each of recs is stored, as durably as the engine can, or
//     there was one under its ID before. The first write of an ID wins: a later one
//     changes nothing and is no error. So a whole batch may be saved again after an
//     error, which says that some may be stored.
//  11. A record that can never be stored, since it is too large, is an error matching
//     ErrTooLarge; those of its batch may be stored or not.
//  12. Load returns what was saved under an ID, or an error matching [ErrNotFound].
//  13. After Delete has returned nil, the records with those IDs are not there. IDs
//     that are not there are no error.
//  14. A loop over All yields each record that is stored from its beginning to its end
//     exactly once, in any order, and may yield those that come or go meanwhile. The
//     body may call every method. A pair with an error and an ID that is not 0 is
//     about that record only, which cannot be read: the loop goes on. With ID 0 the
//     engine has failed or ctx is done, and the pair is the last.
//  15. The queue and the results have nothing to do with each other: saving does not
//     acknowledge, acknowledging does not delete.
//
// And:
//
//  16. What is in the queue, and what was saved, is there after Close and a new Open.
//     What was held is delivered again when the lease ends, or sooner.
//  17. After Close, every method returns an error matching [ErrClosed], and those that
//     wait return. Close again returns nil. It leaves no goroutine behind.
//  18. An engine takes and returns byte slices that are not shared: it does not keep
//     what it was given after it has returned, nor change it.
type Engine interface {
	Queue
	Results
	Close() error
}

// A Queue is the tasks of an [Engine].
type Queue interface {
	// Push adds tasks at the end; without tasks it returns no IDs and nil. The key is the
	// caller's and unique to this call and its repetitions: at most 64 letters, digits and
	// hyphens.
	Push(ctx context.Context, key string, tasks [][]byte) (ids []uint64, err error)

	// Pull takes over up to limit tasks, at least one, and blocks until there is one or
	// ctx is done. limit is at least 1. Tasks that arrive while it is returning for ctx are
	// delivered again.
	Pull(ctx context.Context, limit int) ([]Delivery, error)

	// Ack says that the results of these are saved: forget the tasks.
	Ack(ctx context.Context, ds []Delivery) error

	// Nack says that these are not done here: give them to another machine now.
	Nack(ctx context.Context, ds []Delivery) error

	// Extend is the heartbeat: these are being worked on.
	Extend(ctx context.Context, ds []Delivery) error

	// Lease is for how long a task is held without an Extend. It does not change.
	Lease() time.Duration
}

// Results are the results of an [Engine].
type Results interface {
	// Save stores recs, each under an ID that has none yet.
	Save(ctx context.Context, recs []Record) error

	// Load returns the record with that ID.
	Load(ctx context.Context, id uint64) ([]byte, error)

	// Delete forgets the records with those IDs.
	Delete(ctx context.Context, ids []uint64) error

	// All returns the records that are stored, as a weakly consistent sequence.
	All(ctx context.Context) iter.Seq2[Record, error]
}

// A Waiter is an [Engine] that tells when a result is saved. It is optional: with an engine that is not a Waiter, a
// pool asks for the result again and again, and cannot tell a task that waits from one that never existed.
type Waiter interface {
	// Wait returns the record with that ID. It blocks while there is none and the task
	// is in the queue, held or not, until ctx is done. If there is neither task nor
	// record, it returns an error matching ErrNotFound at once.
	Wait(ctx context.Context, id uint64) ([]byte, error)
}

// A StartMarker is an [Engine] that counts, durably, how often a task was really started, so that a task that kills
// its process can be told from tasks that were only pulled by it. It is optional: without it a pool counts
// deliveries instead, and allows more of them.
type StartMarker interface {
	// MarkStart adds n to the number of starts of a task, and returns how many there are now.
	// n is 1 for a start, and -1 to take a start back. After an error, n may have been added
	// or not.
	MarkStart(ctx context.Context, id uint64, n int) (starts int, err error)
}

// A DelayedNacker is an [Engine] that can deliver a task again later, for a function that has ended and asks to be
// run again. It is optional: without it a pool keeps such tasks itself, under their leases, and if its process
// dies, the next one counts their runs from the beginning.
type DelayedNacker interface {
	// NackAfter ends the leases of ds. The tasks stay in the queue. After d they are delivered again,
	// in about the order of these times and to whoever pulls, with Runs one higher. If d is 0 or
	// less, they are delivered again at once. After an error, all this may have happened or not.
	NackAfter(ctx context.Context, ds []Delivery, d time.Duration) error
}

// A Sizer is an [Engine] that says how many tasks are in its queue. It is optional: without it the pool's Wait,
// which waits until the queue is empty, returns an error.
type Sizer interface {
	// Size returns how many tasks are in the queue, held or not, or how many messages
	// with tasks: 0 if there is no task, and only then.
	Size(ctx context.Context) (uint64, error)
}

// A Describer is an [Engine] that stores the types of its tasks and results. It is optional: without it a pool
// finds tasks of another type one by one.
type Describer interface {
	// Describe stores kind if nothing is stored yet, and returns what is stored, for as
	// long as there is the queue.
	Describe(ctx context.Context, kind string) (stored string, err error)
}

// A Retryabler is an [Engine] that knows which of its errors no retry can change, such as a missing permission. It
// is optional: without it a pool retries after every error except those of this package.
//
// An error that no retry can change is final. If Push, Load, Wait or Size returns it, the caller of the pool gets
// it at once. If Pull, Save, Ack or Extend returns it, the pool ends, because it can do no work; so it does after
// an error that matches [ErrGone] or [ErrClosed], of any method.
type Retryabler interface {
	// Retryable reports whether a call that has returned err may succeed another time.
	Retryable(err error) bool
}

// Errors of every engine. They are in the chain of the errors it returns.
var (
	// ErrFull is returned by Push if the queue is full.
	ErrFull = errors.New("engine: queue is full")

	// ErrTooLarge is returned by Push and Save for a task or a record that this engine
	// can never take.
	ErrTooLarge = errors.New("engine: too large")

	// ErrRefused is in the chain of an error of Push, beside the reason, if this call has certainly not put the
	// tasks without an ID into the queue: they were not sent, or the engine has refused each. It says nothing about
	// earlier calls with the same key, nor whether another attempt may succeed.
	ErrRefused = errors.New("engine: not accepted")

	// ErrNotFound is returned by Load, and by Wait.
	ErrNotFound = errors.New("engine: not found")

	// ErrGone is returned by every method when the queue or its results no longer exist, and making them anew would
	// lose what was in them. It is final.
	ErrGone = errors.New("engine: the queue is gone")

	// ErrClosed is returned by every method after Close, and when the engine cannot be used any more for another
	// reason. It is final.
	ErrClosed = errors.New("engine: closed")
)
