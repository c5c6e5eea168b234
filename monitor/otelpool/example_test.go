package otelpool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/resultpool/resultpool/monitor/otelpool"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// Spans and metrics, printed by the exporters for standard output. What they print has random IDs and times in it,
// which show leaves out.
func Example() {
	ctx := context.Background()
	var output bytes.Buffer // os.Stdout, elsewhere
	spans, err := stdouttrace.New(stdouttrace.WithWriter(&output))
	if err != nil {
		fmt.Println(err)
		return
	}
	numbers, err := stdoutmetric.New(stdoutmetric.WithWriter(&output))
	if err != nil {
		fmt.Println(err)
		return
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)) // WithBatcher, elsewhere
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(numbers)))
	o := &otelpool.Options{TracerProvider: tracers, MeterProvider: meters}

	half := func(_ context.Context, n int) (int, error) {
		if n%2 != 0 {
			return 0, errors.New("odd")
		}
		return n / 2, nil
	}
	p, err := pool.New(ctx, otelpool.Func(half, "halves", o), dense.New[int](), &pool.Options{Workers: 1, Name: "halves"})
	if err != nil {
		fmt.Println(err)
		return
	}
	unregister, err := otelpool.Observe(p, "halves", o)
	if err != nil {
		fmt.Println(err)
		return
	}

	request, span := tracers.Tracer("example").Start(ctx, "GET /halves")
	for _, n := range []int{6, 7} {
		if _, err := p.Submit(request, otelpool.Wrap(request, n, o)); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(p.Wait(ctx))
	span.End()

	fmt.Println(meters.Shutdown(ctx), tracers.Shutdown(ctx)) // both flush
	fmt.Println(unregister(), p.Stop(ctx))
	show(&output)
	// Output:
	// <nil>
	// <nil> <nil>
	// <nil> <nil>
	// process halves, task 1: Unset, links: 1
	// process halves, task 2: Error odd, links: 1
	// GET /halves: Unset, links: 0
	// 1 resultpool.tasks.finished Failed
	// 1 resultpool.tasks.finished Succeeded
	// 1 resultpool.workers
	// 1024 resultpool.queue.capacity
	// 2 resultpool.tasks.submitted
}

// exported is what show reads of the exporters' JSON.
type exported struct {
	Name         string
	Status       struct{ Code, Description string }
	Links        []any
	Attributes   []keyValue
	ScopeMetrics []struct {
		Metrics []struct {
			Name string
			Data struct {
				DataPoints []struct {
					Attributes []keyValue
					Value      float64
				}
			}
		}
	}
}

type keyValue struct {
	Key   string
	Value struct{ Value any }
}

// show prints spans as they have ended, and then metrics that are not 0.
func show(output io.Reader) {
	var e exported
	var metrics []string
	lines := json.NewDecoder(output)
	for ; lines.Decode(&e) == nil; e = (exported{}) {
		if e.Name != "" {
			task := ""
			for _, a := range e.Attributes {
				if a.Key == "messaging.message.id" {
					task = fmt.Sprint(", task ", a.Value.Value)
				}
			}
			fmt.Println(e.Name+task+":", strings.TrimSpace(e.Status.Code+" "+e.Status.Description)+", links:", len(e.Links))
		}
		for _, scope := range e.ScopeMetrics {
			for _, m := range scope.Metrics {
				for _, point := range m.Data.DataPoints {
					line := fmt.Sprint(point.Value, " ", m.Name)
					for _, a := range point.Attributes[1:] { // the first is the pool's name
						line += fmt.Sprint(" ", a.Value.Value)
					}
					if point.Value != 0 {
						metrics = append(metrics, line)
					}
				}
			}
		}
	}
	slices.Sort(metrics)
	fmt.Println(strings.Join(metrics, "\n"))
}
