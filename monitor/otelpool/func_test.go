package otelpool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/resultpool/resultpool/monitor/otelpool"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// Each task has a span of its own, in a trace of its own, that links to its submitter's and is that of its
// context.
func TestSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTraces()
		var within trace.SpanContext
		double := func(ctx context.Context, n int) (int, error) {
			within = trace.SpanContextFromContext(ctx)
			return 2 * n, nil
		}
		p, err := pool.New(t.Context(), otelpool.Func(double, "numbers", x.Options), dense.New[int](), nil)
		require.NoError(t, err)
		ctx, submitter := x.submitter(t.Context())
		in := otelpool.Wrap(ctx, 7, x.Options)
		time.Sleep(1500 * time.Millisecond)
		id, err := p.Submit(ctx, in)
		require.NoError(t, err)
		out, err := p.Get(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, 14, out)
		require.NoError(t, p.Stop(ctx))

		require.Len(t, x.tasks(), 1)
		span := x.tasks()[0]
		assert.Equal(t, "process numbers", span.Name())
		assert.Equal(t, trace.SpanKindConsumer, span.SpanKind())
		assert.Equal(t, span.SpanContext(), within)
		assert.False(t, span.Parent().IsValid(), "it is a child of the submitter's")
		assert.NotEqual(t, submitter.TraceID(), span.SpanContext().TraceID())
		require.Len(t, span.Links(), 1)
		assert.Equal(t, submitter.WithRemote(true), span.Links()[0].SpanContext)
		assert.Equal(t, map[string]any{
			"messaging.system":              "resultpool",
			"messaging.operation.name":      "process",
			"messaging.operation.type":      "process",
			"messaging.destination.name":    "numbers",
			"messaging.message.id":          id.String(),
			"resultpool.pool.name":          "numbers",
			"resultpool.task.attempt":       int64(1),
			"resultpool.task.wait_duration": 1.5,
		}, attributes(span.Attributes()))
		assert.Equal(t, codes.Unset, span.Status().Code)
		assert.Empty(t, span.Events())
		assert.Equal(t, "github.com/resultpool/resultpool/monitor/otelpool", span.InstrumentationScope().Name)
		assert.Regexp(t, `^https://opentelemetry\.io/schemas/`, span.InstrumentationScope().SchemaURL)
	})
}

// What the sampler is asked with is what the conventions want it to be asked with.
func TestSamplerSeesAttributes(t *testing.T) {
	seen := make(chan sdktrace.SamplingParameters, 1)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler(seen)))
	traced := otelpool.Func(function(func(context.Context, int) (int, error) { return 0, nil }), "numbers", &otelpool.Options{TracerProvider: provider})
	_, err := traced(t.Context(), otelpool.Traced[int]{})
	require.NoError(t, err)
	asked := <-seen
	assert.Equal(t, "process numbers", asked.Name)
	assert.Equal(t, map[string]any{
		"messaging.system":           "resultpool",
		"messaging.operation.name":   "process",
		"messaging.operation.type":   "process",
		"messaging.destination.name": "numbers",
		"resultpool.pool.name":       "numbers",
	}, attributes(asked.Attributes))
}

type sampler chan<- sdktrace.SamplingParameters

func (s sampler) Description() string { return "test" }
func (s sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s <- p
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

// A span around the pool is the parent; the submitter's is still a link. Without a name, a task and a submitter the span has neither.
func TestSpanAround(t *testing.T) {
	x := newTraces()
	around, parent := x.submitter(t.Context())
	_, submitter := x.submitter(t.Context())
	traced := otelpool.Func(function(func(ctx context.Context, n int) (int, error) { return n, nil }), "", x.Options)
	p, err := pool.New(around, traced, dense.New[int](), nil)
	require.NoError(t, err)
	_, err = p.Submit(t.Context(), otelpool.Wrap(trace.ContextWithSpanContext(t.Context(), submitter), 7, nil))
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()))
	_, err = p.Submit(t.Context(), otelpool.Traced[int]{In: 7})
	require.NoError(t, err)
	require.NoError(t, p.Stop(t.Context()))
	_, err = traced(t.Context(), otelpool.Wrap(t.Context(), 7, nil))
	require.NoError(t, err)

	require.Len(t, x.tasks(), 3)
	linked, unlinked, noTask := x.tasks()[0], x.tasks()[1], x.tasks()[2]
	assert.Equal(t, parent.SpanID(), linked.Parent().SpanID())
	assert.Equal(t, "process", linked.Name())
	assert.NotContains(t, attributes(linked.Attributes()), "messaging.destination.name")
	require.Len(t, linked.Links(), 1)
	assert.Equal(t, submitter.SpanID(), linked.Links()[0].SpanContext.SpanID())
	assert.Equal(t, parent.SpanID(), unlinked.Parent().SpanID())
	assert.Empty(t, unlinked.Links())
	assert.NotContains(t, attributes(unlinked.Attributes()), "resultpool.task.wait_duration")
	assert.Empty(t, noTask.Links())
	assert.NotContains(t, attributes(noTask.Attributes()), "messaging.message.id")
	assert.Contains(t, attributes(noTask.Attributes()), "resultpool.task.wait_duration")
}

// A propagator that finds nothing in a carrier makes no link to the span around the pool.
func TestUnreadableCarrier(t *testing.T) {
	x := newTraces()
	around, _ := x.submitter(t.Context())
	traced := otelpool.Func(function(func(ctx context.Context, n int) (int, error) { return n, nil }), "", x.Options)
	_, err := traced(around, otelpool.Traced[int]{Carrier: map[string]string{"traceparent": "00-none"}})
	require.NoError(t, err)
	assert.Empty(t, x.tasks()[0].Links())
	assert.True(t, x.tasks()[0].Parent().IsValid())
}

// The clock of the submitter may be ahead.
func TestClockAhead(t *testing.T) {
	x := newTraces()
	traced := otelpool.Func(function(func(ctx context.Context, n int) (int, error) { return n, nil }), "", x.Options)
	_, err := traced(t.Context(), otelpool.Traced[int]{Submitted: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	assert.InDelta(t, 0, attributes(x.tasks()[0].Attributes())["resultpool.task.wait_duration"], 0)
}

type limit struct{}

func (limit) Error() string { return "too many" }

type silent struct{}

func (silent) Error() string { panic("no text") }

type endless struct{}

func (e endless) Error() string { panic(e) }

type circular struct{}

func (circular) Error() string   { return "circular" }
func (c circular) Unwrap() error { return c }

// What the function returns is the task's result, and the span says so.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		err        error
		kind, text string
	}{
		{io.EOF, "*errors.errorString", "EOF"},
		{&fs.PathError{Op: "open", Path: "x", Err: io.EOF}, "*fs.PathError", "open x: EOF"},
		{limit{}, "github.com/resultpool/resultpool/monitor/otelpool_test.limit", "too many"},
		{fmt.Errorf("it is %w", fmt.Errorf("said: %w", limit{})), "github.com/resultpool/resultpool/monitor/otelpool_test.limit", "it is said: too many"},
		{pool.Permanent(limit{}), "github.com/resultpool/resultpool/monitor/otelpool_test.limit", "too many"},
		{&pool.PanicError{Value: "of another task"}, "*store.PanicError", "pool: recovered panic: of another task"},
		{pool.Permanent(fmt.Errorf("%w", circular{})), "github.com/resultpool/resultpool/monitor/otelpool_test.circular", "circular"},
		{silent{}, "github.com/resultpool/resultpool/monitor/otelpool_test.silent", "%!v(PANIC=Error method: no text)"},
		{endless{}, "github.com/resultpool/resultpool/monitor/otelpool_test.endless", "(otelpool_test.endless, whose text cannot be had: the method that makes it panics)"},
	} {
		res, spans := runOne(t, func(context.Context, int) (int, error) { return 3, c.err })
		assert.True(t, res.Err == c.err, "%T", c.err) //nolint:testifylint // ErrorIs is too weak
		assert.Equal(t, 3, res.Value)
		require.Len(t, spans, 1)
		assertFailed(t, spans[0], c.kind, c.text)
	}
}

func assertFailed(t *testing.T, span sdktrace.ReadOnlySpan, kind, text string) {
	t.Helper()
	assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: text}, span.Status())
	assert.Equal(t, kind, attributes(span.Attributes())["error.type"])
	if assert.Len(t, span.Events(), 1) {
		assert.Equal(t, "exception", span.Events()[0].Name)
		event := attributes(span.Events()[0].Attributes)
		assert.Equal(t, kind, event["exception.type"])
		assert.Equal(t, text, event["exception.message"])
		if kind == "panic" {
			assert.Contains(t, event["exception.stacktrace"], "blowUp")
		} else {
			assert.NotContains(t, event, "exception.stacktrace")
		}
	}
}

func blowUp(v any) (int, error) { panic(v) }

// A panic is the pool's, with its stack, and the span has both.
func TestPanics(t *testing.T) {
	for _, godebug := range []string{"panicnil=0", "panicnil=1"} {
		t.Setenv("GODEBUG", godebug)
		for text, value := range map[string]any{"boom": "boom", "EOF": io.EOF} {
			res, spans := runOne(t, func(context.Context, int) (int, error) { return blowUp(value) })
			var panicked *pool.PanicError
			require.ErrorAs(t, res.Err, &panicked)
			assert.Equal(t, value, panicked.Value)
			assert.Contains(t, string(panicked.Stack), "blowUp")
			require.Len(t, spans, 1)
			assertFailed(t, spans[0], "panic", "pool: recovered panic: "+text)
		}
		res, spans := runOne(t, func(context.Context, int) (int, error) { return blowUp(nil) })
		var panicked *pool.PanicError
		require.ErrorAs(t, res.Err, &panicked, godebug)
		require.Len(t, spans, 1)
		assert.Equal(t, codes.Error, spans[0].Status().Code)
		assert.Equal(t, "panic", attributes(spans[0].Attributes())["error.type"])
	}
}

func TestGoexit(t *testing.T) {
	res, spans := runOne(t, func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
	require.ErrorIs(t, res.Err, pool.ErrGoexit)
	require.Len(t, spans, 1)
	assertFailed(t, spans[0], "goexit", pool.ErrGoexit.Error())
}

// Each attempt has a span, with its number, and links to the submitter's.
func TestAttempts(t *testing.T) {
	for name, retried := range map[string]func(function, *otelpool.Options) func(context.Context, otelpool.Traced[int]) (int, error){
		"Func of Retry": func(fn function, o *otelpool.Options) func(context.Context, otelpool.Traced[int]) (int, error) {
			return otelpool.Func(pool.Retry(fn, pool.Backoff{}), "numbers", o)
		},
		"Retry of Func": func(fn function, o *otelpool.Options) func(context.Context, otelpool.Traced[int]) (int, error) {
			return pool.Retry(otelpool.Func(fn, "numbers", o), pool.Backoff{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTraces()
				twice := function(func(ctx context.Context, n int) (int, error) {
					if task, _ := pool.TaskFromContext(ctx); task.Attempt < 3 {
						return 0, limit{}
					}
					return n, nil
				})
				p, err := pool.New(t.Context(), retried(twice, x.Options), dense.New[int](), nil)
				require.NoError(t, err)
				ctx, submitter := x.submitter(t.Context())
				id, err := p.Submit(ctx, otelpool.Wrap(ctx, 7, x.Options))
				require.NoError(t, err)
				n, err := p.Get(ctx, id)
				require.NoError(t, err)
				assert.Equal(t, 7, n)
				require.NoError(t, p.Stop(ctx))

				require.Len(t, x.tasks(), 3)
				for i, span := range x.tasks() {
					a := attributes(span.Attributes())
					assert.Equal(t, int64(i+1), a["resultpool.task.attempt"])
					assert.Equal(t, id.String(), a["messaging.message.id"])
					require.Len(t, span.Links(), 1)
					assert.Equal(t, submitter.SpanID(), span.Links()[0].SpanContext.SpanID())
					if i < 2 {
						assertFailed(t, span, "github.com/resultpool/resultpool/monitor/otelpool_test.limit", "too many")
					} else {
						assert.Equal(t, codes.Unset, span.Status().Code)
					}
				}
			})
		})
	}
}

func TestNilFunc(t *testing.T) {
	_, err := pool.New(t.Context(), otelpool.Func[int, int](nil, "numbers", nil), dense.New[int](), nil)
	assert.ErrorIs(t, err, pool.ErrNilFunc)
}

// Without options the global provider of the time of Func is used.
func TestGlobalProvider(t *testing.T) {
	before := otel.GetTracerProvider()
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	x := newTraces()
	otel.SetTracerProvider(x.TracerProvider)
	traced := otelpool.Func(function(func(context.Context, int) (int, error) { return 0, errors.ErrUnsupported }), "numbers", nil)
	_, err := traced(t.Context(), otelpool.Wrap(t.Context(), 7, nil))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Len(t, x.tasks(), 1)
}
