// Package pool runs tasks on a bounded number of goroutines and turns every
// accepted task into exactly one result in a [store.ResultStore].
//
//	p, err := pool.New(ctx, resize, dense.New[Thumb](), &pool.Options{Workers: 8})
//	…
//	id, err := p.Submit(ctx, file)
//	…
//	thumb, err := p.Get(ctx, id)
//	…
//	err = p.Stop(ctx)
//
// The task function, here resize, has the form
//
//	func(ctx context.Context, in T) (R, error)
//
// with any T and R. For tasks that are closures there is [Call]; to run one
// function over a slice or a sequence there are [Map] and [MapSeq], which need no pool.
//
// # Having the results
//
//	Get, Result   of one task, when it has ended; Result tells the task's error from its own
//	Peek          of one task, now, or that there is none yet
//	GetAll        of some tasks, as they end
//	Finished      of all tasks, as they end, and deletes them: for pools that run for ever
//	Results       all that the store has now
//
// # Guarantees
//
// Submit returns a nil error if and only if exactly one result for that task is
// handed to the store before [Pool.Done] is closed, whether the function
// returned, failed, panicked, called Goexit or was never run. The result is
// stored before anything that waits for it wakes. The pool calls the function at
// most once for each task, and once more for each [RetryAfter] that it returns.
//
// When Done is closed, no goroutine of the pool is left. After the pool's context
// is cancelled, no task is started, and all goroutines end at once except those
// in a task or in the store, or with a result that waits for the store: a function
// that ignores its context cannot be killed in Go.
//
// No more tasks run at once than there are workers, even during [Pool.Resize]. A
// panic in a task is a result, not a crash.
//
// Workers take tasks in the order of their IDs, but for short claims: while tasks take
// microseconds and many wait, a worker takes up to 32 at once, and runs them in turn. No task
// begins after more than 64 for each worker that were submitted after it, and none waits behind
// another while a worker is free, unless it waits for its key ([NewKeyed]) or its time. Nothing is promised about the
// order in which tasks end or their results are stored, and nothing survives the
// process that the store does not keep.
//
// # What becomes of a task
//
//	the function returned a nil error   its value
//	… an error                          the error, and the value that came with it
//	… never: it panicked                a *PanicError with value and stack
//	… never: it called Goexit           ErrGoexit
//	… a RetryAfter                      none yet: it is run again
//	… and it was cancelled after that   the error and the value that came with it, joined with the
//	                                    cause
//	it was cancelled before its start   ErrNotRun, wrapping the cause: of [Pool.Cancel], or of the
//	                                    pool's cancel
//
// # Stores that fail
//
// A worker whose Put fails tries again, after pauses that grow to one second, and
// holds its slot meanwhile. So a store that is down slows intake and then blocks
// it, and nothing is lost when it comes back. [Stats].Unsaved says how many
// results wait, and Stats.Failing since when, and why.
//
// A [store.BatchPutter], as a database is, is written by one more goroutine, which
// is there while there is something to write. Workers hand their results over and
// go on. What gathers while a batch is written, at most 1,024 results, is the next
// batch; there is no timer. When that many have gathered, workers hold their slots
// as above. For a [store.RecordPutter] the workers encode their results, and at most
// 8 MiB of them gather, or one result. A batch that fails is halved, so that one bad
// result does not hold up the others: it is tried beside them, and no more such than
// there are workers.
//
// A result that the store can never take ([store.ErrRejected], or a panic in Put)
// is stored as a result whose Err says so. What cannot be saved at all, or not
// before the pool is cancelled, is handed back by Stop in an [UnsavedError]. The
// context of a Put does not end with the task's. Once the pool is cancelled, a
// call may take five seconds, and calls that fail may take five seconds together;
// after that the contexts of the others are done from the start. A result that is
// handed back may be in the store as well, if the store said that it had failed and
// had not.
//
// # Stores and engines that fail for good
//
// A store that is closed ([store.ErrClosed]) will never take a result, and an engine whose
// error is final (see package engine) will never do what the pool needs. Such an error ends
// the pool as a cancel does, with the error for its cause:
//
//	tasks that wait         not run: ErrNotRun; in a joined pool given back to the engine
//	tasks that run          their context is cancelled; the real outcome counts
//	Submit, also blocked    ErrClosed, which wraps the error
//	Get of what has no      the result, in an UnsavedError, or ErrClosed, which wraps the
//	stored result           error
//	Wait                    ErrClosed, which wraps the error
//	Stop                    the error; in an UnsavedError with all results that could not
//	                        be stored, if there are any
//	Stats.Failing           the error, from then on
//	Done                    closed
//
// In a joined pool only the errors end it that keep a worker from its work: those of
// pulling, saving, acknowledging and extending leases, and those that say that the engine
// is gone or closed. Any other final error is that of the Submit, Get or Wait that met it.
//
// # Shutting down
//
// [Pool.Stop] runs all that was accepted. Cancelling the pool's context runs none
// of what waits. Resize(0) and then Stop lets running tasks finish and runs none
// of what waits. Stop waits for the end in each case, as long as its own context
// lets it.
//
// # Inside a task
//
// A task may use its own pool, with the context that it was given: by that the
// pool knows it, and returns an error where waiting would be a deadlock.
// Submit returns [ErrQueueFull] rather than wait for room; Stop, [Pool.Wait], [Pool.Finished],
// and [Pool.Get], [Pool.Result] and [Pool.GetAll] of a task that has not ended, return [ErrInTask].
// The same holds for a store, with the context that its Put is given. Tasks that submit
// tasks, as those of a crawler do, need room for all that may wait: Options.Queue is
// math.MaxInt then, and Wait returns when nothing is left. See the example of Submit.
//
// A task runs on a worker's goroutine, which runs others afterwards. It has no pprof
// labels at its start, neither those of the submitter nor of a task before it;
// pprof.SetGoroutineLabels(ctx) gives it those of New's context. What else belongs to the
// goroutine or its thread stays as the task leaves it: a task that calls
// runtime.LockOSThread and changes its thread (its name space, user or priority) has to end
// the goroutine without unlocking, and so the thread with it. It calls runtime.Goexit, with
// ErrGoexit for its result, and the worker is replaced; or does all that on
// a goroutine of its own, and waits for the value.
//
// [TaskFromContext] says which task it is. A context counts as inside until its task's function has returned:
// a goroutine that the task leaves behind may wait, and the context of it ends with the pool's. The task
// must have used the context for that: see TaskFromContext. One that does not use its context costs
// no allocation.
//
// # Many machines
//
// A pool that is opened with [Join] in place of New has its queue and its results in an
// engine, as package engine/jetstream is one, and shares them with all who have joined
// that. All that is said of a pool here is said of one of New. What Join changes:
//
//	the promise   fn runs at least once for each task, and more than once if processes die or
//	              are cut off. One result counts: the first that is saved.
//	Submit,       They return when the engine has the tasks: after a round trip. While the
//	TrySubmit,    engine fails they try again, until ctx is done; the error then matches the
//	SubmitAll     last refusal as well. An error that no other attempt can change, as
//	              engine.ErrTooLarge, or that of a task that cannot be written, comes at once.
//	              The error matches ErrUnconfirmed as well if the engine owes an answer: then
//	              some of the tasks without an ID may have been accepted. The number of
//	              workers does not matter.
//	Get           It has the results of all who have joined, and goes on while the engine
//	              fails. Inside a task it returns ErrInTask for every ID without a result. If
//	              the engine is no engine.Waiter, Get of an ID that was never given out waits
//	              until ctx is done.
//	Result        As Get.
//	Peek          One request, which is not repeated. If the engine is no engine.Waiter, each
//	              ID without a result is Pending.
//	GetAll        It has the results of all who have joined. Goroutines wait for up to 64
//	              tasks at once, and while there are more, take turns of a second.
//	Finished      It has the results of the tasks that this pool has submitted, and ends when
//	              the pool has ended and these tasks have. Their IDs are kept, 8 bytes each.
//	Results       It has the results of all, ever, until they are deleted with the engine's
//	              Delete or the engine forgets them.
//	Wait          It waits until the shared queue is empty, and asks again after pauses of up
//	              to 100 ms, also while the engine fails. If ctx is done first, the error says
//	              how many tasks are left. If the engine is no engine.Sizer, the error matches
//	              errors.ErrUnsupported.
//	Stop,         What is begun ends here. What was taken over and not begun is given back, and
//	the cancel    so is, after a cancel, a task whose function returns the cancel's error:
//	              another process runs it. No task gets ErrNotRun. The tasks of results in an
//	              UnsavedError are run again by another process.
//	Resize(0)     Submit goes on. The few tasks that were taken over wait for workers, or for
//	              Stop, which gives them back.
//	RetryAfter    If the engine is a DelayedNacker, it has the task back until then, any process
//	              runs it, and attempts are counted on; this pool counts it as NotRun. Otherwise
//	              the task stays with this process, which keeps its lease. If that dies, or the
//	              pool ends, another one runs it, and counts the attempts from 1 again. While as
//	              many are parked here as Queue has room for, no others are taken over.
//	NewKeyed      There is none for an engine.
//	Cancel,       They know the tasks that this pool has taken over and not ended.
//	Running
//	Stats         The tasks that this pool has taken over, whoever submitted them; NotRun
//	              counts those that it has given back.
//	Queue         The tasks that may be taken over and not begun; it takes those that its
//	              workers begin within 50 ms, by what they did before. How many may wait in the
//	              engine is the engine's option.
//
// # One task
//
// This is the way of a task in memory, with "(mu)" where the pool's lock is held:
//
//	Submit        checks the contexts; queue.Push takes a ticket and an ID, and hands the task to a
//	              worker that sleeps, or publishes it
//	  no room     (mu) submitLocking reserves IDs, or joins submitters and sleeps
//	hire          (mu) wakeAndUnlock starts a worker, if none slept and there may be more
//	next          queue.Next takes the task, mostly from the worker's claim, and settles the one before
//	  nothing     sleep announces the worker, looks once more, and waits for a call
//	call          runs the function; a panic or a Goexit becomes the task's Err
//	save          puts the result into the store, as often as it takes (package saver)
//	  batches     (mu) hand leaves it for the writer, which saves it and (mu) settles the task
//	  RetryAfter  (mu) again parks the task; when its time has come, a worker resumes it
//	next          settles the task: queue.Next if it has succeeded, or (mu) nextLocking
//	  a Get       waits at its task's segment, until who settles the task tells it
//	Stop          (mu) closeLocked shuts the tail; the last goroutine to leave ends the pool
//	the cancel    (mu) closeLocked shuts the tail; the reaper takes what waits, and settles it as not run
//	a Cancel      (mu) marks the task: if it waits, its result is saved at once, and its turn passed over;
//	              if it runs, its context ends
//
// # More behaviour
//
// Timeouts, rate limits and tracing are functions around the task
// function, not options, and so is [Retry]; see the examples. Memory is the user's as well: stored
// results live until they are deleted from the store. See package store for the
// ways to delete as one reads.
package pool
