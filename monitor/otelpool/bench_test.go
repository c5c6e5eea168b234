package otelpool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/resultpool/resultpool/monitor/otelpool"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// BenchmarkFunc submits tasks that do nothing, one by one, under a span: untraced, and traced by providers that record
// nothing, no span, and each.
func BenchmarkFunc(b *testing.B) {
	nothing := func(context.Context, int) (int, error) { return 0, nil }
	never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	always := sdktrace.NewTracerProvider()

	b.Run("traced=no", func(b *testing.B) {
		p, err := pool.New(b.Context(), nothing, dense.New[int](), nil)
		require.NoError(b, err)
		ctx, span := always.Tracer("").Start(b.Context(), "submitter")
		defer span.End()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Submit(ctx, 0); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, p.Stop(b.Context()))
	})
	for name, provider := range map[string]trace.TracerProvider{"noop": noop.NewTracerProvider(), "never": never, "always": always} {
		b.Run("traced="+name, func(b *testing.B) {
			o := &otelpool.Options{TracerProvider: provider}
			p, err := pool.New(b.Context(), otelpool.Func(nothing, "bench", o), dense.New[int](), nil)
			require.NoError(b, err)
			ctx, span := always.Tracer("").Start(b.Context(), "submitter")
			defer span.End()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Submit(ctx, otelpool.Wrap(ctx, 0, o)); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, p.Stop(b.Context()))
		})
	}
}
