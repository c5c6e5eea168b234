package embedded_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	rp "github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// modes are the server with and without a sync for each message.
var modes = []struct {
	name string
	opts embedded.ServerOptions
}{
	{"sync=off", embedded.ServerOptions{LosesOnPowerCut: true}},
	{"sync=always", embedded.ServerOptions{}},
}

const payload = 100

// BenchmarkPublish is what publishing and acknowledging alone cost, with nothing of this
// package: the line to compare the cycle with. One operation is one message.
func BenchmarkPublish(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			s := start(b, &mode.opts)
			nc, err := nats.Connect(s.URL(), credentials(s.URL(), nil)...)
			require.NoError(b, err)
			defer nc.Close()
			js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
			require.NoError(b, err)
			_, err = js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "x", Subjects: []string{"x"}})
			require.NoError(b, err)
			data := make([]byte, payload)
			for b.Loop() {
				_, err := js.PublishAsync("x", data, jetstream.WithStallWait(time.Minute))
				require.NoError(b, err)
			}
			<-js.PublishAsyncComplete()
		})
	}
}

// BenchmarkCycle is a task from Push to Ack, in batches of several sizes: one goroutine
// pushes, and one pulls, saves and acknowledges. One operation is one task.
func BenchmarkCycle(b *testing.B) {
	for _, mode := range modes {
		for _, batch := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("%s/batch=%d", mode.name, batch), func(b *testing.B) {
				s := start(b, &mode.opts)
				eng, err := rp.Open(b.Context(), s.URL(), "bench", as(s.URL(), nil))
				require.NoError(b, err)
				defer func() { _ = eng.Close() }()
				tasks := make([][]byte, batch)
				for i := range tasks {
					tasks[i] = make([]byte, payload)
				}
				pushed := make(chan error, 1)
				b.ResetTimer()
				go func() {
					for i := 0; i < b.N; i += batch {
						n := min(batch, b.N-i)
						if _, err := eng.Push(b.Context(), strconv.Itoa(i), tasks[:n]); err != nil {
							pushed <- err
							return
						}
					}
					pushed <- nil
				}()
				for done := 0; done < b.N; {
					ds, err := eng.Pull(b.Context(), batch)
					require.NoError(b, err)
					recs := make([]engine.Record, len(ds))
					for i, d := range ds {
						recs[i] = engine.Record{ID: d.ID, Data: d.Task}
					}
					require.NoError(b, eng.Save(b.Context(), recs))
					require.NoError(b, eng.Ack(b.Context(), ds))
					done += len(ds)
				}
				require.NoError(b, <-pushed)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			})
		}
	}
}

// BenchmarkIdle is one task at a time on an idle system, through two connections over
// the network: from Push to Wait's return. It reports the median.
func BenchmarkIdle(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			s := start(b, &mode.opts)
			worker, err := rp.Open(b.Context(), s.URL(), "bench", as(s.URL(), nil))
			require.NoError(b, err)
			defer func() { _ = worker.Close() }()
			user, err := rp.Open(b.Context(), s.URL(), "bench", as(s.URL(), nil))
			require.NoError(b, err)
			defer func() { _ = user.Close() }()
			ctx, cancel := context.WithCancel(b.Context())
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					ds, err := worker.Pull(ctx, 8)
					if err != nil {
						return
					}
					for _, d := range ds {
						_ = worker.Save(ctx, []engine.Record{{ID: d.ID, Data: d.Task}})
					}
					_ = worker.Ack(ctx, ds)
				}
			}()
			defer func() { cancel(); <-stopped }()
			task := [][]byte{make([]byte, payload)}
			var push, all []time.Duration
			i := 0
			for b.Loop() {
				i++
				start := time.Now()
				ids, err := user.Push(b.Context(), strconv.Itoa(i), task)
				require.NoError(b, err)
				push = append(push, time.Since(start))
				_, err = user.Wait(b.Context(), ids[0])
				require.NoError(b, err)
				all = append(all, time.Since(start))
			}
			slices.Sort(push)
			slices.Sort(all)
			b.ReportMetric(float64(push[len(push)/2].Microseconds()), "push-median-µs")
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "median-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkPublishAck is the queue without results, and with nothing of this package:
// publish, fetch, acknowledge. One operation is one task.
func BenchmarkPublishAck(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			s := start(b, &mode.opts)
			nc, err := nats.Connect(s.URL(), credentials(s.URL(), nil)...)
			require.NoError(b, err)
			defer nc.Close()
			js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
			require.NoError(b, err)
			st, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "x", Subjects: []string{"x"}, Retention: jetstream.WorkQueuePolicy})
			require.NoError(b, err)
			c, err := st.CreateConsumer(b.Context(), jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1})
			require.NoError(b, err)
			data := make([]byte, payload)
			b.ResetTimer()
			published := make(chan error, 1)
			go func() {
				for range b.N {
					if _, err := js.PublishAsync("x", data, jetstream.WithStallWait(time.Minute)); err != nil {
						published <- err
						return
					}
				}
				<-js.PublishAsyncComplete()
				published <- nil
			}()
			for done := 0; done < b.N; {
				batch, err := c.Fetch(min(1024, b.N-done), jetstream.FetchMaxWait(time.Second))
				require.NoError(b, err)
				for m := range batch.Messages() {
					require.NoError(b, m.Ack())
					done++
				}
				require.NoError(b, batch.Error())
			}
			require.NoError(b, <-published)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}
