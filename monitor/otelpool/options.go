package otelpool

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name of the instrumentation, of its tracer and of its meter.
const scope = "github.com/resultpool/resultpool/monitor/otelpool"

// Attributes of our own. What the conventions have a name for is in package semconv.
const (
	poolName     = attribute.Key("resultpool.pool.name")
	taskAttempt  = attribute.Key("resultpool.task.attempt")
	taskOutcome  = attribute.Key("resultpool.task.outcome")
	taskWaitTime = attribute.Key("resultpool.task.wait_duration")
)

// Options are where telemetry goes. A nil *Options means the zero value.
type Options struct {
	// TracerProvider makes the spans of Func. Nil is the global one, of package otel.
	TracerProvider trace.TracerProvider

	// MeterProvider collects the metrics of Observe. Nil is the global one.
	MeterProvider metric.MeterProvider

	// Propagator writes the submitter's trace context into a Traced and reads it again, so it has to be the same on
	// both sides. Nil is [propagation.TraceContext], that is, W3C's traceparent and tracestate; not the global one,
	// which does nothing until it is set. Anything else that a propagator carries, such as [propagation.Baggage],
	// is in the task's context.
	Propagator propagation.TextMapPropagator
}

func (o *Options) tracer() trace.Tracer {
	var p trace.TracerProvider
	if o != nil {
		p = o.TracerProvider
	}
	if p == nil {
		p = otel.GetTracerProvider()
	}
	return p.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
}

func (o *Options) meter() metric.Meter {
	var p metric.MeterProvider
	if o != nil {
		p = o.MeterProvider
	}
	if p == nil {
		p = otel.GetMeterProvider()
	}
	return p.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
}

func (o *Options) propagator() propagation.TextMapPropagator {
	if o != nil && o.Propagator != nil {
		return o.Propagator
	}
	return propagation.TraceContext{}
}
