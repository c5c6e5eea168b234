package otelpool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/resultpool/resultpool/monitor/otelpool"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// source is a pool of which one says what it is.
type source struct {
	mu      sync.Mutex
	stats   pool.Stats
	running []store.ID
}

func (s *source) Stats() pool.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *source) Running() []store.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func (s *source) set(stats pool.Stats, running ...store.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats, s.running = stats, running
}

// observed is what a reader collects, by the name that exporters for Prometheus give it, with the labels.
type observed map[string]float64

func newReader() (*sdkmetric.ManualReader, *otelpool.Options) {
	reader := sdkmetric.NewManualReader()
	return reader, &otelpool.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
}

func collect(t *testing.T, reader *sdkmetric.ManualReader) observed {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &all))
	found := make(observed)
	for _, s := range all.ScopeMetrics {
		assert.Equal(t, "github.com/resultpool/resultpool/monitor/otelpool", s.Scope.Name)
		for _, m := range s.Metrics {
			assert.NotEmpty(t, m.Description, m.Name)
			name := strings.ReplaceAll(m.Name, ".", "_")
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				assert.Regexp(t, `^\{[a-z]+\}$`, m.Unit, m.Name)
				if data.IsMonotonic {
					name += "_total"
				}
				for _, point := range data.DataPoints {
					found[name+point.Attributes.Encoded(attribute.DefaultEncoder())] = float64(point.Value)
				}
			case metricdata.Gauge[float64]:
				require.Equal(t, "s", m.Unit, m.Name)
				for _, point := range data.DataPoints {
					found[name+"_seconds"+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return found
}

// The metrics are those of package monitor, under the same names as soon as they are in Prometheus.
func TestObserve(t *testing.T) {
	reader, o := newReader()
	var s source
	s.set(pool.Stats{
		Submitted: 100, Succeeded: 40, Failed: 30, Panicked: 5, NotRun: 3, Queued: 20, Running: 2, Unsaved: 1,
		Workers: 4, Capacity: 1024, Refused: 7, Oldest: 81,
	}, 79, 80)
	unregister, err := otelpool.Observe(&s, "numbers", o)
	require.NoError(t, err)
	const of = "resultpool.pool.name=numbers"
	assert.Equal(t, observed{
		"resultpool_tasks_submitted_total" + of:                                       100,
		"resultpool_tasks_finished_total" + of + ",resultpool.task.outcome=Succeeded": 40,
		"resultpool_tasks_finished_total" + of + ",resultpool.task.outcome=Failed":    30,
		"resultpool_tasks_finished_total" + of + ",resultpool.task.outcome=Panicked":  5,
		"resultpool_tasks_finished_total" + of + ",resultpool.task.outcome=NotRun":    3,
		"resultpool_tasks_queued" + of:                                                20,
		"resultpool_queue_capacity" + of:                                              1024,
		"resultpool_tasks_running" + of:                                               2,
		"resultpool_workers" + of:                                                     4,
		"resultpool_results_unsaved" + of:                                             1,
		"resultpool_submissions_refused_total" + of:                                   7,
		"resultpool_queue_wait_seconds" + of:                                          0,
		"resultpool_oldest_running_seconds" + of:                                      0,
	}, collect(t, reader))
	require.NoError(t, unregister())
	assert.Empty(t, collect(t, reader))
}

// Pools of one provider are told apart by their names; one without a name has no attribute.
func TestObserveTwoPools(t *testing.T) {
	reader, o := newReader()
	var one, other source
	one.set(pool.Stats{Workers: 1})
	other.set(pool.Stats{Workers: 2})
	unregister, err := otelpool.Observe(&one, "", o)
	require.NoError(t, err)
	_, err = otelpool.Observe(&other, "other", o)
	require.NoError(t, err)
	got := collect(t, reader)
	assert.InDelta(t, 1, got["resultpool_workers"], 0)
	assert.InDelta(t, 2, got["resultpool_workersresultpool.pool.name=other"], 0)
	require.NoError(t, unregister())
	assert.NotContains(t, collect(t, reader), "resultpool_workers")
}

// A pool in a bubble: what waits and what runs, and for how long, is never said to be more than it is, and less by no more than
// the time between two collections.
func TestObservePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p, err := pool.New(t.Context(), func(context.Context, int) (int, error) { <-gate; return 0, nil }, dense.New[int](), &pool.Options{Workers: 1, Queue: 2})
		require.NoError(t, err)
		reader, o := newReader()
		_, err = otelpool.Observe(p, "", o)
		require.NoError(t, err)
		collect(t, reader)
		for range 3 {
			_, err := p.TrySubmit(0)
			require.NoError(t, err)
			synctest.Wait()
		}
		_, err = p.TrySubmit(0)
		require.ErrorIs(t, err, pool.ErrQueueFull)

		time.Sleep(time.Minute)
		got := collect(t, reader)
		assert.InDelta(t, 0, got["resultpool_queue_wait_seconds"], 0)
		assert.InDelta(t, 0, got["resultpool_oldest_running_seconds"], 0)
		assert.InDelta(t, 1, got["resultpool_submissions_refused_total"], 0)
		assert.InDelta(t, 2, got["resultpool_tasks_queued"], 0)
		assert.InDelta(t, 2, got["resultpool_queue_capacity"], 0)
		time.Sleep(time.Minute)
		got = collect(t, reader)
		assert.InDelta(t, 60, got["resultpool_queue_wait_seconds"], 0)
		assert.InDelta(t, 60, got["resultpool_oldest_running_seconds"], 0)

		gate <- struct{}{} // the third task is the oldest that waits, and was submitted with the second
		synctest.Wait()
		time.Sleep(time.Minute)
		got = collect(t, reader)
		assert.InDelta(t, 120, got["resultpool_queue_wait_seconds"], 0)
		assert.InDelta(t, 0, got["resultpool_oldest_running_seconds"], 0)

		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		got = collect(t, reader)
		assert.InDelta(t, 0, got["resultpool_queue_wait_seconds"], 0)
		assert.InDelta(t, 0, got["resultpool_oldest_running_seconds"], 0)
		assert.InDelta(t, 3, got["resultpool_tasks_finished_totalresultpool.task.outcome=Succeeded"], 0)
	})
}

// The queue moves on, or stands still for days: what is said of its oldest task is never more than the truth, and memory is
// bounded.
func TestQueueWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, o := newReader()
		var s source
		_, err := otelpool.Observe(&s, "", o)
		require.NoError(t, err)
		submitted := make(map[store.ID]time.Time)
		next, oldest := store.ID(1000), store.ID(1000) // as of a store that has held others
		for look := range 1000 {
			for range 3 {
				submitted[next] = time.Now()
				next++
			}
			if look > 400 { // from here on the queue shrinks
				for range 4 {
					if oldest < next {
						oldest++
					}
				}
			}
			stats := pool.Stats{Queued: uint64(next - oldest), Oldest: oldest}
			truth := time.Duration(0)
			if stats.Queued == 0 {
				stats.Oldest = 0
			} else {
				truth = time.Since(submitted[oldest])
			}
			s.set(stats)
			said := collect(t, reader)["resultpool_queue_wait_seconds"]
			if said > truth.Seconds() || said < truth.Seconds()*0.9-1 {
				t.Fatalf("look %d says %v s and not %v", look, said, truth)
			}
			time.Sleep(time.Second)
		}
	})
}

// A look may take long, and have its answers at its end, or at its beginning.
func TestSlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, o := newReader()
		var s slowSource
		_, err := otelpool.Observe(&s, "", o)
		require.NoError(t, err)
		collect(t, reader)
		got := collect(t, reader)
		assert.LessOrEqual(t, got["resultpool_queue_wait_seconds"], s.waited.Seconds())
		assert.LessOrEqual(t, got["resultpool_oldest_running_seconds"], s.ran.Seconds())
		assert.Equal(t, time.Second, s.waited)
		assert.Equal(t, time.Second, s.ran)
	})
}

// slowSource has one task that waits, and one that runs. Each begins to at the end of the first question for it; the
// second answer is of the time of the question.
type slowSource struct {
	waits, runs time.Time
	waited, ran time.Duration // at the second answer
}

func (s *slowSource) Stats() pool.Stats {
	s.answer(&s.waits, &s.waited)
	return pool.Stats{Queued: 1, Oldest: 2}
}

func (s *slowSource) Running() []store.ID {
	s.answer(&s.runs, &s.ran)
	return []store.ID{1}
}

func (s *slowSource) answer(since *time.Time, age *time.Duration) {
	if !since.IsZero() {
		*age = time.Since(*since)
	}
	time.Sleep(time.Second)
	if since.IsZero() {
		*since = time.Now()
	}
}

// Readers collect, and pools are observed, at the same time.
func TestObserveAtOnce(t *testing.T) {
	readers := []*sdkmetric.ManualReader{sdkmetric.NewManualReader(), sdkmetric.NewManualReader()}
	o := &otelpool.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(readers[0]), sdkmetric.WithReader(readers[1]))}
	p, err := pool.New(t.Context(), func(context.Context, int) (int, error) { return 0, nil }, dense.New[int](), &pool.Options{Workers: 2})
	require.NoError(t, err)
	unregister, err := otelpool.Observe(p, "", o)
	require.NoError(t, err)
	var all sync.WaitGroup
	for _, reader := range readers {
		all.Go(func() {
			for range 200 {
				got := collect(t, reader)
				sum := got["resultpool_tasks_queued"] + got["resultpool_tasks_running"]
				for outcome := pool.Succeeded; outcome <= pool.NotRun; outcome++ {
					sum += got["resultpool_tasks_finished_totalresultpool.task.outcome="+outcome.String()]
				}
				assert.InDelta(t, got["resultpool_tasks_submitted_total"], sum, 0, "the numbers are not of one moment")
			}
		})
	}
	for range 200 {
		all.Go(func() {
			_, err := p.SubmitAll(t.Context(), make([]int, 50))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	require.NoError(t, unregister())
	require.NoError(t, p.Stop(t.Context()))
}

func TestObserveBadInput(t *testing.T) {
	_, err := otelpool.Observe(nil, "", nil)
	require.ErrorIs(t, err, otelpool.ErrNilSource)
	_, err = otelpool.Observe((*pool.Pool[int, int])(nil), "", nil)
	require.ErrorIs(t, err, otelpool.ErrNilSource)

	_, err = otelpool.Observe(&source{}, "", &otelpool.Options{MeterProvider: badProvider{}})
	require.ErrorIs(t, err, errBad)
}

// Without options the global provider is used, which does nothing until it is set.
func TestGlobalMeterProvider(t *testing.T) {
	unregister, err := otelpool.Observe(&source{}, "", nil)
	require.NoError(t, err)
	require.NoError(t, unregister())
}

var errBad = errors.New("bad")

// badProvider has a meter that makes no gauges.
type badProvider struct{ noop.MeterProvider }

func (badProvider) Meter(string, ...metric.MeterOption) metric.Meter { return badMeter{} }

type badMeter struct{ noop.Meter }

func (badMeter) Float64ObservableGauge(string, ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return nil, errBad
}
