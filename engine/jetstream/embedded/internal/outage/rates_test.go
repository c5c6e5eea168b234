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
	bare, through, idle := rates(t, true, 30_000)
	t.Logf("tasks/s: %.0f published and acknowledged alone, %.0f through pools, results and all: %.2f, and %v from Submit to Get",
		bare, through, through/bare, idle)
	assert.Greater(t, 5*through, bare, "a pool is to reach a fifth")
	assert.Less(t, idle, time.Millisecond)
	_, through, idle = rates(t, false, 3_000)
	t.Logf("with a sync for each message: %.0f tasks/s, %v from Submit to Get", through, idle)
}

// rates are the rates of n tasks, and the time from Submit to Get: each the best of three, since others
// may use the machine.
func rates(t *testing.T, noSync bool, n int) (bare, through float64, idle time.Duration) {
	s := newSite(t, 30*time.Second)
	s.embedded(t.TempDir(), noSync)
	submitter, _ := s.join(nil)
	s.join(func(_ context.Context, j job) (proof, error) { return proof{N: j.N}, nil })
	idle = time.Hour
	for range 3 {
		if noSync {
			bare = max(bare, bareRate(t, s.url, n))
		}
		through = max(through, poolRate(t, submitter, n))
		idle = min(idle, idleTime(t, submitter, n/60))
	}
	return bare, through, idle
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

	text := fmt.Appendf(nil, `{"N":%d,"Cost":0,"Poison":false}`, n)
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

// poolRate submits tasks in one pool, which another runs.
func poolRate(t *testing.T, submitter *pool.Pool[job, proof], n int) float64 {
	begun := time.Now()
	for batch := range slices.Chunk(make([]job, n), 1024) {
		_, err := submitter.SubmitAll(t.Context(), batch)
		require.NoError(t, err)
	}
	require.NoError(t, submitter.Wait(t.Context()))
	return float64(n) / time.Since(begun).Seconds()
}

// idleTime is the median of n times from Submit to Get.
func idleTime(t *testing.T, submitter *pool.Pool[job, proof], n int) time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		begun := time.Now()
		id, err := submitter.Submit(t.Context(), job{})
		require.NoError(t, err)
		_, err = submitter.Get(t.Context(), id)
		require.NoError(t, err)
		all[i] = time.Since(begun)
	}
	slices.Sort(all)
	return all[n/2]
}
