// Package otelpool shows pools to OpenTelemetry: metrics, and a span for each run of a task, with a link to the
// span of its submitter.
//
//	p, err := pool.New(ctx, otelpool.Func(resize, "thumbs", nil), st, &pool.Options{Name: "thumbs"})
//	…
//	unregister, err := otelpool.Observe(p, "thumbs", nil)
//	…
//	id, err := p.Submit(ctx, otelpool.Wrap(ctx, file, nil))
//
// [Func] and [Wrap] are for traces, [Observe] is for metrics; each works without the other. [Options] say where
// telemetry goes; without them, to the globals of package otel.
//
// # Spans
//
// A submission is over long before its task is, and one request may submit a thousand. So the span of a task is not
// a child of the submitter's but links to it, as the conventions for messages say, and the sampler decides anew.
// Its parent is the span in the context of New or Join, if there is one; without one it begins a trace. The link
// survives an engine (a queue outside the process), because a [Traced] is plain JSON.
//
// There is one span for each attempt, of the kind CONSUMER, called "process", or "process thumbs" with the name of the pool:
//
//	messaging.system                resultpool
//	messaging.operation.name        process
//	messaging.operation.type        process
//	messaging.destination.name      the pool's name, if it has one
//	resultpool.pool.name            the same; also that of the metrics
//	messaging.message.id            the task's ID
//	resultpool.task.attempt         which attempt it is, from 1; as pool.Task has it
//	resultpool.task.wait_duration   seconds from Wrap until this attempt began: over an engine that
//	                                is by two clocks, and 0 if they make it negative
//	error.type                      if the attempt failed: the type of its error, without wrappers of packages
//	                                fmt and pool; "panic"; "goexit"
//
// The last three are set on recorded spans only, after the sampler has seen the others. An attempt that returns an
// error, panics or calls Goexit has the status Error, with the error's text, and an event "exception", with the
// stack of a panic. So has an attempt that returns a [pool.RetryAfter], with the error in it. A task that is not
// run has no span.
//
// # Metrics
//
// They are read when they are collected, all numbers of a pool at one moment:
//
//	resultpool.tasks.submitted       counter           {task}
//	resultpool.tasks.finished        counter           {task}        by resultpool.task.outcome: Succeeded, Failed, Panicked, NotRun
//	resultpool.submissions.refused   counter           {submission}  for want of room
//	resultpool.tasks.queued          up-down counter   {task}
//	resultpool.queue.capacity        up-down counter   {task}
//	resultpool.tasks.running         up-down counter   {task}
//	resultpool.workers               up-down counter   {worker}
//	resultpool.results.unsaved       up-down counter   {result}
//	resultpool.queue.wait            gauge             s             of the oldest task that waits
//	resultpool.oldest.running        gauge             s             of the task that has run for longest
//
// Each has the attribute resultpool.pool.name. [pool.Stats] says what they mean. In Prometheus they have the names
// that package monitor uses, such as resultpool_tasks_submitted_total.
//
// No clock is read for a task. So the last two say what earlier collections prove: never more than the true time,
// and less by at most the time between two collections, or, if nothing has moved for long, by up to a tenth. For a
// task that is to be run again they are less exact: its wait may be shown too long, and if it has stopped and begun
// again between two collections, it counts as running all the time. How long each task has waited, and run, is in
// its span.
//
// # Cost
//
// A pool whose tasks do not use their context allocates nothing for a task. Tracing uses it, whether or not the
// span is recorded: each task gets a context of its own, and the trace context is written as text and read again.
// That makes some ten allocations and takes a microsecond or two, even if nothing is recorded. A recorded span
// costs twice that and more, plus its exporter.
//
//	go test -run=NONE -bench Func -benchmem ./monitor/otelpool
//
// shows it. So trace tasks of a tenth of a millisecond and more, or those that matter. Metrics cost only the
// reading: see [pool.Pool.Stats]. The package starts no goroutine.
package otelpool
