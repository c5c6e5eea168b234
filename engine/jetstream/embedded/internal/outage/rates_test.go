//go:build unix

package outage

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// TestRates compares the rate of a pool with the rate that the server allows, when nothing is
// synced: tasks per second from SubmitAll until their results are saved and they are
// acknowledged, beside messages of the same size that the client library publishes and
// acknowledges. It measures as well how long it takes from Submit to Get when there is nothing
// else to do, and both with a sync for each message. It is here to notice if one of them breaks.
func TestRates(t *testing.T) {
	if !*outageRates {
		t.Skip("without -outage.rates")
	}
	s := newSite(t, 30*time.Second)
	s.embeddedOn(t.TempDir(), true)
	const tasks, rounds = 30_000, 3
	var bare, through []float64
	for range rounds {
		bare = append(bare, bareRate(t, s.url, tasks))
		through = append(through, poolRate(t, s, tasks))
	}
	idle := idleTimes(t, s, 500)
	for range rounds - 1 { // others may use the machine: the best counts
		if again := idleTimes(t, s, 500); median(again) < median(idle) {
			idle = again
		}
	}
	t.Logf("tasks/s: %.0f published and acknowledged alone, %.0f through pools, results and all: %.2f",
		median(bare), median(through), median(through)/median(bare))
	t.Logf("from Submit to Get: %v at the median, %v at the 99th percentile", median(idle), idle[len(idle)*99/100])
	synced := newSite(t, 30*time.Second)
	synced.embedded()
	t.Logf("with a sync for each message: %.0f tasks/s, %v from Submit to Get",
		poolRate(t, synced, tasks/10), median(idleTimes(t, synced, 100)))
	assert.Greater(t, 5*median(through), median(bare), "a pool is to reach a fifth")
	assert.Less(t, median(idle), time.Millisecond)
}

func median[N int64 | float64 | time.Duration](of []N) N {
	slices.Sort(of)
	return of[len(of)/2]
}

// bareRate publishes messages, and acknowledges them.
func bareRate(t *testing.T, url string, n int) float64 {
	ctx := t.Context()
	nc, err := nats.Connect(url)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024))
	require.NoError(t, err)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "bare", Subjects: []string{"bare"}, Retention: jetstream.WorkQueuePolicy,
	})
	require.NoError(t, err)
	// The stream stays: when the last stream of an account is deleted, the server removes the
	// account's directory in the background, even if another stream is made at that moment.
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "bare", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1,
	})
	require.NoError(t, err)

	text := fmt.Appendf(nil, `{"N":%d,"Cost":0,"Poison":false,"Gated":false}`, n)
	begun := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			if _, err := js.PublishAsync("bare", text); !assert.NoError(t, err) {
				return
			}
		}
		<-js.PublishAsyncComplete()
	})
	for left := n; left > 0; {
		batch, err := consumer.Fetch(min(left, 256), jetstream.FetchMaxWait(patience))
		require.NoError(t, err)
		for msg := range batch.Messages() {
			require.NoError(t, msg.Ack())
			left--
		}
		require.NoError(t, batch.Error())
	}
	wg.Wait()
	for left := uint64(n); left > 0; {
		info, err := stream.Info(ctx)
		require.NoError(t, err)
		left = info.State.Msgs
	}
	return float64(n) / time.Since(begun).Seconds()
}

// poolRate submits tasks in one pool, and runs them in another.
func poolRate(t *testing.T, s *site, n int) float64 {
	submitter, worker, stop := ratesPools(t, s)
	defer stop()
	begun := time.Now()
	for batch := range slices.Chunk(make([]job, n), 1024) {
		_, err := submitter.SubmitAll(t.Context(), batch)
		require.NoError(t, err)
	}
	require.NoError(t, submitter.Wait(t.Context()))
	rate := float64(n) / time.Since(begun).Seconds()
	require.EqualValues(t, n, worker.Stats().Succeeded)
	return rate
}

// idleTimes are the times from Submit to Get, sorted.
func idleTimes(t *testing.T, s *site, n int) []time.Duration {
	submitter, _, stop := ratesPools(t, s)
	defer stop()
	var all []time.Duration
	for range n {
		begun := time.Now()
		id, err := submitter.Submit(t.Context(), job{})
		require.NoError(t, err)
		_, err = submitter.Get(t.Context(), id)
		require.NoError(t, err)
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	return all
}

// ratesPools joins twice, with a connection each, until stop.
func ratesPools(t *testing.T, s *site) (submitter, worker *pool.Pool[job, proof], stop func()) {
	fn := func(_ context.Context, j job) (proof, error) { return proof{N: j.N}, nil }
	submitter, drv, err := s.client(part{}).join(t.Context(), nil)
	require.NoError(t, err)
	worker, other, err := s.client(part{Workers: 8}).join(t.Context(), fn)
	require.NoError(t, err)
	return submitter, worker, func() {
		assert.NoError(t, submitter.Stop(t.Context()))
		assert.NoError(t, worker.Stop(t.Context()))
		assert.NoError(t, drv.Close())
		assert.NoError(t, other.Close())
	}
}
