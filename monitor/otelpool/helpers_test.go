package otelpool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/resultpool/resultpool/monitor/otelpool"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// traces records the spans of a provider.
type traces struct {
	*otelpool.Options
	spans *tracetest.SpanRecorder
}

func newTraces() traces {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	return traces{&otelpool.Options{TracerProvider: provider}, spans}
}

// submitter returns the context of a new span, which is ended.
func (x traces) submitter(ctx context.Context) (context.Context, trace.SpanContext) {
	ctx, span := x.TracerProvider.Tracer("test").Start(ctx, "submitter")
	span.End()
	return ctx, span.SpanContext()
}

// tasks returns the spans that Func has made and that have ended, in the order of their ends.
func (x traces) tasks() (tasks []sdktrace.ReadOnlySpan) {
	for _, span := range x.spans.Ended() {
		if span.Name() != "submitter" {
			tasks = append(tasks, span)
		}
	}
	return tasks
}

func attributes(kvs []attribute.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, kv := range kvs {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

type function func(context.Context, int) (int, error)

// runOne runs one task in a pool called "numbers", and returns its result and the spans of its attempts.
func runOne(t *testing.T, fn function) (store.Result[int], []sdktrace.ReadOnlySpan) {
	t.Helper()
	x := newTraces()
	p, err := pool.New(context.Background(), otelpool.Func(fn, "numbers", x.Options), dense.New[int](), nil)
	require.NoError(t, err)
	id, err := p.Submit(context.Background(), otelpool.Wrap(context.Background(), 7, x.Options))
	require.NoError(t, err)
	res, err := p.Result(context.Background(), id)
	require.NoError(t, err)
	require.NoError(t, p.Stop(context.Background()))
	tasks := x.tasks()
	assert.Len(t, x.spans.Started(), len(tasks), "spans that have begun, and those that have ended")
	return res, tasks
}
