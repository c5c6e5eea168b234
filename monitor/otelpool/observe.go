package otelpool

import (
	"context"
	"errors"
	"reflect"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A Source is what Observe looks at: a *pool.Pool, whatever its types.
type Source interface {
	Stats() pool.Stats
	Running() []store.ID
}

// ErrNilSource is returned by Observe if p is nil.
var ErrNilSource = errors.New("otelpool: nil source")

// Observe makes a meter read p whenever metrics are collected. The package comment lists the metrics. name is their
// attribute resultpool.pool.name, and no other pool of the meter's provider may have it: the numbers of both would
// be added up.
//
// The meter holds p until unregister is called; to call it again does nothing. Both functions may be called from any
// goroutine. The error of unregister, and of Observe, is ErrNilSource or the meter's own.
func Observe(p Source, name string, o *Options) (unregister func() error, err error) {
	if v := reflect.ValueOf(p); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, ErrNilSource
	}
	m := &maker{meter: o.meter()}
	var (
		submitted = m.counter("tasks.submitted", "{task}", "Tasks that were accepted.")
		finished  = m.counter("tasks.finished", "{task}", "Tasks that are over, by outcome.")
		refused   = m.counter("submissions.refused", "{submission}", "Submissions that found the queue full.")
		queued    = m.upDown("tasks.queued", "{task}", "Tasks that wait for a worker.")
		capacity  = m.upDown("queue.capacity", "{task}", "Tasks that may wait.")
		running   = m.upDown("tasks.running", "{task}", "Tasks that run, or whose results are not stored yet.")
		workers   = m.upDown("workers", "{worker}", "Tasks that may run at once.")
		unsaved   = m.upDown("results.unsaved", "{result}", "Results that the store was asked to take and has not.")
		waited    = m.gauge("queue.wait", "How long the oldest task that waits has done so, at least.")
		ran       = m.gauge("oldest.running", "How long the longest of the tasks that run has done so, at least.")
	)
	if m.err != nil {
		return nil, m.err
	}

	with := func(attributes ...attribute.KeyValue) metric.MeasurementOption {
		if name != "" {
			attributes = append(attributes, poolName.String(name))
		}
		return metric.WithAttributeSet(attribute.NewSet(attributes...))
	}
	outcome := func(o pool.Outcome) metric.MeasurementOption { return with(taskOutcome.String(o.String())) }
	of, succeeded, failed, panicked, notRun := with(), outcome(pool.Succeeded), outcome(pool.Failed), outcome(pool.Panicked), outcome(pool.NotRun)
	kept := &looks{}
	registration, err := m.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		before := time.Now()
		s, ids := p.Stats(), p.Running()
		after := time.Now()
		to.ObserveInt64(submitted, int64(s.Submitted), of)
		to.ObserveInt64(finished, int64(s.Succeeded), succeeded)
		to.ObserveInt64(finished, int64(s.Failed), failed)
		to.ObserveInt64(finished, int64(s.Panicked), panicked)
		to.ObserveInt64(finished, int64(s.NotRun), notRun)
		to.ObserveInt64(refused, int64(s.Refused), of)
		to.ObserveInt64(queued, int64(s.Queued), of)
		to.ObserveInt64(capacity, int64(s.Capacity), of)
		to.ObserveInt64(running, int64(s.Running), of)
		to.ObserveInt64(workers, int64(s.Workers), of)
		to.ObserveInt64(unsaved, int64(s.Unsaved), of)
		to.ObserveFloat64(waited, kept.waited(s, before, after).Seconds(), of)
		to.ObserveFloat64(ran, kept.ran(ids, before, after).Seconds(), of)
		return nil
	}, m.made...)
	if err != nil {
		return nil, err
	}
	return registration.Unregister, nil
}

// A maker makes instruments, whose names all begin alike, until the first error.
type maker struct {
	meter metric.Meter
	made  []metric.Observable
	err   error
}

func (m *maker) note(i metric.Observable, err error) {
	m.made, m.err = append(m.made, i), errors.Join(m.err, err)
}

func (m *maker) counter(name, unit, text string) metric.Int64Observable {
	i, err := m.meter.Int64ObservableCounter("resultpool."+name, metric.WithUnit(unit), metric.WithDescription(text))
	m.note(i, err)
	return i
}

func (m *maker) upDown(name, unit, text string) metric.Int64Observable {
	i, err := m.meter.Int64ObservableUpDownCounter("resultpool."+name, metric.WithUnit(unit), metric.WithDescription(text))
	m.note(i, err)
	return i
}

func (m *maker) gauge(name, text string) metric.Float64Observable {
	i, err := m.meter.Float64ObservableGauge("resultpool."+name, metric.WithUnit("s"), metric.WithDescription(text))
	m.note(i, err)
	return i
}
