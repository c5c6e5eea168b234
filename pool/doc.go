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
// dense is the default store: an array in memory, indexed by the IDs of the tasks.
//
// The task function, here resize, has the form
//
//	func(ctx context.Context, in T) (R, error)
//
// with any T and R. If the tasks are closures, use [Call] as the task function. To run one function over a slice or
// a sequence, use [Map] or [MapSeq], which need no pool.
//
// # Getting results
//
//	Get, Result   of one task, when it has ended; Result separates the task's error from its own
//	Peek          of one task, now, or says that there is none yet
//	GetAll        of some tasks, as they end
//	Finished      of all tasks, as they end, and deletes them: for pools that run for ever
//	Results       a copy of all that the store holds now
//
// # Guarantees
//
// Submit returns a nil error if and only if exactly one result for that task is handed to the store before
// [Pool.Done] is closed, whether the function returned, failed, panicked, called Goexit or was never run. The
// result is stored before anyone who waits for it is woken. The pool calls the function at most once for each task,
// plus once for each [RetryAfter] that it returns.
//
// When Done is closed, no goroutine of the pool is left. After the pool's context is cancelled, no task is started,
// and all goroutines end at once, except those that are in a task or in the store, or hold a result that waits for
// the store: Go cannot kill a function that ignores its context.
//
// No more tasks run at once than there are workers, even during [Pool.Resize]. A panic in a task is a result, not a
// crash.
// Workers take tasks in the order of their IDs, except for short claims: while tasks take microseconds and many
// wait, a worker takes up to 32 at once and runs them one after another. A task is overtaken by at most 64 later
// tasks for each worker. No task waits behind another while a worker is free, unless it waits for its key
// ([NewKeyed]) or for its next attempt ([RetryAfter]). Nothing is promised about the order in which tasks end or
// their results are stored. Only what the store keeps survives the process.
//
// # What becomes of a task
//
//	its function returned nil           the value
//	… returned an error                 the error, and the value returned with it
//	… panicked                          a *PanicError with value and stack
//	… called Goexit                     ErrGoexit
//	… returned a RetryAfter             no result yet: it is run again
//	… and it was cancelled after that   the error joined with the cause, and the value returned with it
//	it was cancelled before its start   ErrNotRun, wrapping the cause given to Cancel, or that of
//	                                    the pool's context
//
// # Stores that fail
//
// A worker whose Put fails tries again, after pauses that grow to one second, and takes no other task meanwhile. So
// a store that is down first slows down and then blocks submission (backpressure), and nothing is lost when it
// comes back. [Stats].Unsaved says how many results wait; Stats.Failing says since when and why.
//
// For a [store.BatchPutter], such as a database, one extra goroutine writes the results; it exists only while there
// is something to write. Workers hand their results over and go on. The results that gather while a batch is
// written, at most 1,024, are the next batch; there is no timer. When that many have gathered, workers wait as
// above. For a [store.RecordPutter] the workers encode their results, and at most 8 MiB of them gather, or one
// result. A batch that fails is halved until a bad result is alone. That one is tried again beside the others, so
// that it does not hold them up; there are at most as many such results as workers.
//
// A result that the store can never take ([store.ErrRejected], or a panic in Put) is stored as a result whose Err
// says so. What cannot be saved at all, or not before the pool is cancelled, is handed back by Stop in an
// [UnsavedError]. The context of a Put does not end with the task's. Once the pool is cancelled, one call may take
// five seconds, and calls that fail may take five seconds together; after that, the other calls get a context that
// is already done. A result that is handed back may also be in the store, if the store reported a failure although
// it had stored it.
//
// # Stores and engines that fail for good
//
// A store that is closed ([store.ErrClosed]) will never take a result. An engine (a queue that many processes
// share, see below) whose error is final, as package engine defines it, will never do what the pool needs. Such an
// error ends the pool as a cancel does, with the error as its cause:
//
//	tasks that wait         not run: ErrNotRun; in a joined pool given back to the engine
//	tasks that run          their context is cancelled; the real outcome counts
//	Submit, also blocked    ErrClosed, which wraps the error
//	Get without a stored    the result, in an UnsavedError, or ErrClosed, which wraps the
//	result                  error
//	Wait                    ErrClosed, which wraps the error
//	Stop                    the error; in an UnsavedError with all results that could not
//	                        be stored, if there are any
//	Stats.Failing           the error, from then on
//	Done                    closed
//
// A joined pool is ended only by errors that keep a worker from its work: those of pulling, saving, acknowledging
// and extending leases (the time for which a task is its process's own), and those that say that the engine is gone
// or closed. Any other final error is returned by the Submit, Get or Wait that met it.
//
// # Shutting down
//
// [Pool.Stop] is the graceful shutdown: it runs everything that was accepted. Cancelling the pool's context runs
// nothing that still waits. Resize(0), which leaves the pool without workers, and then Stop let running tasks
// finish and run nothing that waits. In each case Stop waits for the end, as long as its own context allows.
//
// # Inside a task
//
// A task may use its own pool, with the context that it was given. The pool knows that context, and returns an
// error where waiting would be a deadlock. Submit returns [ErrQueueFull] instead of waiting for room; Stop,
// [Pool.Wait], [Pool.Finished], and [Pool.Get], [Pool.Result] and [Pool.GetAll] of a task that has not ended,
// return [ErrInTask]. The same holds for a store, with the context that its Put is given. Tasks that submit tasks,
// as in a crawler, need room for all tasks that may wait: set Options.Queue to math.MaxInt, and call Wait, which
// returns when no task waits or runs. See the example of Submit.
//
// A task runs on a worker's goroutine, which runs other tasks afterwards. At its start it has no pprof labels,
// neither the submitter's nor those of an earlier task; pprof.SetGoroutineLabels(ctx) gives it those of New's
// context. Everything else that belongs to the goroutine or its thread stays as the task leaves it. A task that
// calls runtime.LockOSThread and changes its thread (its name space, user or priority) must end the goroutine
// without unlocking, which ends the thread too: it calls runtime.Goexit, its result is ErrGoexit, and the worker is
// replaced. Or it does all that on a goroutine of its own and waits for the value.
//
// [TaskFromContext] says which task a context belongs to. A context counts as inside its task until the task's
// function has returned: after that, a goroutine that the task leaves behind may wait for the pool, and its context
// ends with the pool's. For this the task must have used its context before it returned: see TaskFromContext. A
// task that does not use its context costs no allocation.
//
// # Many machines
//
// A pool opened with [Join] instead of New has its queue and its results in an engine, such as that of package
// engine/jetstream, and shares them with all pools that have joined the same engine. Everything else here is about
// a pool made by New. What Join changes:
//
//	the promise   fn runs at least once for each task, and more than once if processes die or
//	              are cut off. One result counts: the first that is saved.
//	Submit,       They return when the engine has the tasks: after a round trip. While the
//	TrySubmit,    engine fails they try again, until ctx is done; the error then also matches
//	SubmitAll     the engine's last error. TrySubmit, which has no ctx, tries until the pool
//	              takes no more tasks. An error that no retry can change, such as
//	              engine.ErrTooLarge or that of a task that cannot be encoded, comes at once.
//	              The error also matches ErrUnconfirmed if the engine has not answered: then
//	              some of the tasks without an ID may have been accepted. The number of
//	              workers does not matter.
//	Get           It has the results of all pools that have joined, and keeps trying while the
//	              engine fails. Inside a task it returns ErrInTask for every ID without a
//	              result. If the engine does not implement engine.Waiter, Get of an ID that was
//	              never given out waits until ctx is done.
//	Result        As Get.
//	Peek          One request, which is not repeated. If the engine does not implement
//	              engine.Waiter, each ID without a result is Pending.
//	GetAll        It has the results of all pools that have joined. Goroutines wait for up to 64
//	              tasks at once; if there are more, they take turns of a second.
//	Finished      It has the results of the tasks that this pool has submitted, and ends when
//	              the pool and all these tasks have ended. It keeps their IDs, 8 bytes each.
//	Results       It has all results of all pools, until they are deleted with the engine's
//	              Delete or the engine forgets them.
//	Wait          It waits until the shared queue is empty, and asks again after pauses of up
//	              to 100 ms, also while the engine fails. If ctx is done first, the error says
//	              how many tasks are left, or how many messages with tasks, as engine.Sizer
//	              counts them. If the engine does not implement that, the error matches
//	              errors.ErrUnsupported.
//	Stop,         Tasks that have begun end here. Tasks taken over and not begun are given back;
//	the cancel    after a cancel so is a task whose function returns the cancel's error. Another
//	              process runs them. No task gets ErrNotRun. The tasks of results in an
//	              UnsavedError are run again by another process.
//	Resize(0)     Submit goes on. The few tasks that were taken over wait for workers, or for
//	              Stop, which gives them back.
//	RetryAfter    If the engine implements engine.DelayedNacker, it holds the task until then,
//	              any process runs it, and the count of attempts goes on; this pool counts it as
//	              NotRun. Otherwise the task stays with this process, which extends its lease. If
//	              that dies, or the pool ends, another one runs it, and counts the attempts from 1
//	              again. While as many tasks are parked here as Queue has room for, no others are
//	              taken over.
//	NewKeyed      There is none for an engine.
//	Cancel,       They know the tasks that this pool has taken over and that have not ended.
//	Running
//	Stats         It counts the tasks that this pool has taken over, whoever submitted them;
//	              NotRun counts those that it has given back, Unsaved the results that the
//	              engine has not taken, and Oldest is the first of those that wait here.
//	Queue         How many tasks may be taken over and not begun; the pool takes as many as it
//	              expects its workers to begin within 50 ms, judging by earlier tasks. How many
//	              may wait in the engine is an option of the engine.
//
// # One task
//
// This is the path of a task in memory, with "(mu)" where the pool's lock is held:
//
//	Submit        checks the contexts; queue.Push takes a ticket and an ID, and hands the task to a
//	              sleeping worker, or publishes it
//	  no room     (mu) submitLocking reserves IDs, or joins submitters and sleeps
//	hire          (mu) wakeAndUnlock starts a worker, if none slept and there may be more
//	next          queue.Next takes the task, mostly from the worker's claim, and settles the one before
//	  nothing     sleep announces the worker, looks once more, and waits for a call
//	call          runs the function; a panic or a Goexit becomes the task's Err
//	save          puts the result into the store, with retries (package saver)
//	  batches     (mu) hand leaves it for the writer, which saves it and (mu) settles the task
//	  RetryAfter  (mu) again parks the task; when its time has come, a worker resumes it
//	next          settles the task: queue.Next if it has succeeded, or (mu) nextLocking
//	  a Get       waits at its task's segment, and is told when the task is settled
//	Stop          (mu) closeLocked shuts the tail; the last goroutine to leave ends the pool
//	the cancel    (mu) closeLocked shuts the tail; the reaper takes what waits, and settles it as not run
//	a Cancel      (mu) marks the task: if it waits, its result is saved at once, and its turn is skipped;
//	              if it runs, its context ends
//
// # Beyond the pool
//
// Timeouts, rate limits, tracing and [Retry] are functions around the task function, not options; see the examples.
// Memory is up to the caller too: stored results live until they are deleted from the store. See package store for
// the ways to delete them while reading.
package pool
