package otelpool

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// A Traced is a task's input with what its span has to know about its submission. [Wrap] makes one, and the
// function that [Func] returns takes it. It survives JSON unchanged, if In does, so it passes through an engine.
//
// A Traced is never nil, so a pool does not refuse one with a nil In.
type Traced[T any] struct {
	In        T                      `json:"in"`
	Submitted time.Time              `json:"submitted,omitzero"` // when it was wrapped, by the clock of that machine
	Carrier   propagation.MapCarrier `json:"carrier,omitempty"`  // what the propagator has written, as traceparent
}

// Wrap returns in with the trace context of ctx, which is the submitter's, and the time.
//
//	id, err := p.Submit(ctx, otelpool.Wrap(ctx, file, nil))
//
// It starts no span: the task's span links to the one in ctx. If there is none, the task's span has no link. Of o
// only the Propagator counts.
func Wrap[T any](ctx context.Context, in T, o *Options) Traced[T] {
	carrier := make(propagation.MapCarrier)
	o.propagator().Inject(ctx, carrier)
	if len(carrier) == 0 {
		carrier = nil
	}
	return Traced[T]{In: in, Submitted: time.Now(), Carrier: carrier}
}
