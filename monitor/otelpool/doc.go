// Package otelpool shows pools to OpenTelemetry: a span for each run of a task, which links to the span of its
// submitter, and metrics.
//
//	p, err := pool.New(ctx, otelpool.Func(resize, "thumbs", nil), st, &pool.Options{Name: "thumbs"})
//	…
//	unregister, err := otelpool.Observe(p, "thumbs", nil)
//	…
//	id, err := p.Submit(ctx, otelpool.Wrap(ctx, file, nil))
//
// [Func] and [Wrap] are for traces, [Observe] is for metrics; each goes without the other. Where all goes is in
// [Options]; without them it is what package otel has.
//
// # Spans
//
// A submission is over long before its task is, and one request may submit a thousand. So the span of a task is no child of the
// submitter's but links to it, as the conventions for messages have it, and the sampler decides
// anew. Its parent is the span in the context of New or Join, if there is one; without one the span begins a trace. The link
// survives an engine, for a [Traced] is plain JSON.
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
// The last three are set on spans that are recorded, after the sampler has seen the others. An attempt that returns an error,
// panics or calls Goexit has the status Error, with the error's text, and an event "exception", with the stack of a panic.
// So has one that is to be run again: what it returns is in [pool.RetryAfter]. A task that is not run has no span.
//
// # Metrics
//
// They are looked at when they are collected, all numbers of a pool at one moment:
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
// Each has the attribute resultpool.pool.name. [pool.Stats] says what they are. In Prometheus their names are those
// that package monitor uses, as resultpool_tasks_submitted_total.
//
// No clock is read for a task. So the last two say what earlier collections prove: never more than it is, and less by as much
// as lies between two collections, or, if nothing has moved for long, by up to a tenth. Of a task that is to be run again
// they know less: what it has waited may be more, and if it has stopped and begun again between two collections it counts as
// running all the time. How long each task has waited, and run, is in its span.
//
// # Cost
//
// A pool whose tasks do not use their context allocates nothing for a task. Tracing uses it, whatever becomes of the
// span: so each task has a context of its own, and the trace context is written as text and read again, which makes some
// ten allocations and a microsecond or two, even if nothing is recorded. A span that is recorded costs twice that and more, and
// its exporter comes on top.
//
//	go test -run=NONE -bench Func -benchmem ./monitor/otelpool
//
// shows it. So trace tasks of a tenth of a millisecond and more, or those that matter. Metrics cost nothing but the look:
// see [pool.Pool.Stats]. The package starts no goroutine.
package otelpool
