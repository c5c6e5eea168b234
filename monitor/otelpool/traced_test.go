package otelpool_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/monitor/otelpool"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// remote is a span of some submitter.
func remote(t *testing.T) trace.SpanContext {
	state, err := trace.ParseTraceState("vendor=opaque")
	require.NoError(t, err)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 15: 0x36}, SpanID: trace.SpanID{0xf0, 7: 0xb7},
		TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	})
}

// What is written stays readable: processes of several versions share an engine.
func TestJSON(t *testing.T) {
	in := otelpool.Traced[[]string]{In: []string{"a"}, Submitted: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	in.Carrier = otelpool.Wrap(trace.ContextWithSpanContext(t.Context(), remote(t)), 0, nil).Carrier
	const written = `{"in":["a"],"submitted":"2026-01-02T03:04:05.000000006Z",` +
		`"carrier":{"traceparent":"00-4bf90000000000000000000000000036-f0000000000000b7-01","tracestate":"vendor=opaque"}}`
	text, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, written, string(text))
	var out otelpool.Traced[[]string]
	require.NoError(t, json.Unmarshal([]byte(written), &out))
	assert.Equal(t, in, out)

	text, err = json.Marshal(otelpool.Traced[int]{In: 7})
	require.NoError(t, err)
	assert.Equal(t, `{"in":7}`, string(text))
}

func TestWrapWithoutSpan(t *testing.T) {
	before := time.Now()
	in := otelpool.Wrap(t.Context(), 7, nil)
	assert.Equal(t, 7, in.In)
	assert.Nil(t, in.Carrier)
	assert.False(t, in.Submitted.Before(before) || in.Submitted.After(time.Now()))
}

// Two pools share an engine: the span of the one links to the submitter's in the other. What else the propagator carries
// is in the task's context.
func TestJoin(t *testing.T) {
	x := newTraces()
	x.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	tenant := make(chan string, 1)
	fn := func(ctx context.Context, n int) (int, error) {
		tenant <- baggage.FromContext(ctx).Member("tenant").Value()
		if n < 0 {
			return 0, errors.New("negative")
		}
		return 2 * n, nil
	}
	eng := enginetest.NewMemory(nil)
	worker, err := pool.Join(t.Context(), otelpool.Func(fn, "numbers", x.Options), eng.Open(), nil)
	require.NoError(t, err)
	p, err := pool.Join(t.Context(), otelpool.Func[int, int](nil, "numbers", x.Options), eng.Open(), nil)
	require.NoError(t, err)

	member, err := baggage.NewMember("tenant", "acme")
	require.NoError(t, err)
	bag, err := baggage.New(member)
	require.NoError(t, err)
	ctx := baggage.ContextWithBaggage(trace.ContextWithSpanContext(t.Context(), remote(t)), bag)
	for n, want := range map[int]string{7: "", -7: "negative"} {
		id, err := p.Submit(ctx, otelpool.Wrap(ctx, n, x.Options))
		require.NoError(t, err)
		res, err := p.Result(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, "acme", <-tenant)
		assert.Equal(t, max(0, 2*n), res.Value)
		require.NoError(t, worker.Wait(ctx))

		span := x.tasks()[len(x.tasks())-1]
		require.Len(t, span.Links(), 1)
		assert.Equal(t, remote(t), span.Links()[0].SpanContext)
		assert.False(t, span.Parent().IsValid())
		a := attributes(span.Attributes())
		assert.Equal(t, id.String(), a["messaging.message.id"])
		assert.Contains(t, a, "resultpool.task.wait_duration")
		if want != "" {
			assert.EqualError(t, res.Err, want)
			assertFailed(t, span, "*errors.errorString", want)
		}
	}
	require.NoError(t, p.Stop(ctx))
	require.NoError(t, worker.Stop(ctx))
	assert.Len(t, x.tasks(), 2)
}

// Many submitters and workers at once mix nothing up.
func TestManyAtOnce(t *testing.T) {
	const submitters, each = 8, 100
	x := newTraces()
	identity := func(_ context.Context, n int) (int, error) { return n, nil }
	p, err := pool.New(t.Context(), otelpool.Func(identity, "numbers", x.Options), dense.New[int](), &pool.Options{Workers: 4, Queue: 16})
	require.NoError(t, err)
	var mu sync.Mutex
	want := make(map[string]trace.SpanID) // by the task's ID
	var all sync.WaitGroup
	for s := range submitters {
		all.Go(func() {
			for n := range each {
				ctx, span := x.submitter(t.Context())
				id, err := p.Submit(ctx, otelpool.Wrap(ctx, s*each+n, x.Options))
				assert.NoError(t, err)
				mu.Lock()
				want[id.String()] = span.SpanID()
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.NoError(t, p.Stop(t.Context()))
	got := make(map[string]trace.SpanID)
	for _, span := range x.tasks() {
		require.Len(t, span.Links(), 1)
		got[attributes(span.Attributes())["messaging.message.id"].(string)] = span.Links()[0].SpanContext.SpanID()
	}
	assert.Len(t, x.tasks(), submitters*each)
	assert.Equal(t, want, got)
}
