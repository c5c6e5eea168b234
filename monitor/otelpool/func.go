package otelpool

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/resultpool/resultpool/pool"
)

// Func returns a task function that calls fn in a span, one for each attempt.
//
//	p, err := pool.New(ctx, otelpool.Func(resize, "thumbs", nil), st, &pool.Options{Name: "thumbs"})
//
// name is the pool's, and may be empty. The context that fn is given has the span; the package comment says what
// the span contains. The results of fn are returned unchanged; a panic and a Goexit of fn pass through to the pool.
//
// Outside a task, as in [pool.Map], the span has no ID and no attempt. If fn is nil, Func returns nil, which New
// refuses, and with which Join makes a pool that runs nothing.
func Func[T, R any](fn func(context.Context, T) (R, error), name string, o *Options) func(context.Context, Traced[T]) (R, error) {
	if fn == nil {
		return nil
	}
	t := newTracing(name, o)
	return func(ctx context.Context, in Traced[T]) (out R, err error) {
		ctx, span := t.start(ctx, in.Carrier, in.Submitted)
		end := ending{err: pool.ErrGoexit, kind: "goexit"}
		defer func() { end.tell(span) }()
		returned := false
		func() {
			// The panic goes on from here, so that the pool sees the stack on which it came about.
			defer func() {
				if v := recover(); v != nil {
					end = panicked(v)
					panic(v)
				}
			}()
			out, err = fn(ctx, in.In)
			returned = true
		}()
		if !returned { // panic(nil), with GODEBUG=panicnil=1
			end = panicked(nil)
			panic(nil) //nolint:govet // as fn has
		}
		end = ending{err: err}
		return out, err
	}
}

// tracing is what the spans of a Func have in common.
type tracing struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	spanName   string
	options    []trace.SpanStartOption // what is known before a task is
}

func newTracing(name string, o *Options) *tracing {
	t := &tracing{tracer: o.tracer(), propagator: o.propagator(), spanName: "process"}
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKey.String("resultpool"),
		semconv.MessagingOperationName("process"),
		semconv.MessagingOperationTypeProcess,
	}
	if name != "" {
		t.spanName += " " + name
		attributes = append(attributes, semconv.MessagingDestinationName(name), poolName.String(name))
	}
	t.options = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes...)}
	return t
}

// start starts the span of an attempt, and returns the context for it.
func (t *tracing) start(ctx context.Context, carrier propagation.MapCarrier, submitted time.Time) (context.Context, trace.Span) {
	within, options := ctx, t.options
	if len(carrier) > 0 {
		// The submitter's span is for the link. The parent is the one of New's context, if that has one.
		parent := trace.SpanFromContext(ctx)
		if parent.SpanContext().IsValid() {
			within = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
		}
		within = t.propagator.Extract(within, carrier)
		if from := trace.SpanContextFromContext(within); from.IsValid() {
			options = append(slices.Clip(options), trace.WithLinks(trace.Link{SpanContext: from}))
		}
		within = trace.ContextWithSpan(within, parent)
	}
	within, span := t.tracer.Start(within, t.spanName, options...)
	if span.IsRecording() {
		// These are none that samplers ask for, and they allocate.
		if task, ok := pool.TaskFromContext(ctx); ok {
			span.SetAttributes(semconv.MessagingMessageID(task.ID.String()), taskAttempt.Int(task.Attempt))
		}
		if !submitted.IsZero() { // the clocks of two machines differ
			span.SetAttributes(taskWaitTime.Float64(max(0, time.Since(submitted)).Seconds()))
		}
	}
	return within, span
}

func panicked(v any) ending {
	return ending{err: &pool.PanicError{Value: v, Stack: debug.Stack()}, kind: "panic"}
}
