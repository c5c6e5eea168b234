package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// The races in this file were bugs. Each takes a few instructions on two goroutines,
// and so is hardly ever lost as the tests are: .ci/yield runs them with a yield
// around each step that matters, where they fail within a second.

const raceRounds = 300

// Two tasks that wait for each other both run, if there are two workers, however the
// second is woken. (The worker that was to be woken looked for tasks at the moment in
// which another had taken the first of them, and found none.)
func TestRendezvous(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2, Queue: 256}, dense.New[int]())
	for round := range raceRounds {
		a, b := make(chan struct{}), make(chan struct{})
		for range rand.IntN(60) {
			submit(t, p, value(1))
		}
		_, err := p.SubmitAll(t.Context(), []task{
			func(context.Context) (int, error) { close(a); <-b; return 1, nil },
			func(context.Context) (int, error) { close(b); <-a; return 1, nil },
		})
		require.NoError(t, err)
		for _, met := range []chan struct{}{a, b} {
			select {
			case <-met:
			case <-time.After(10 * time.Second):
				t.Fatalf("round %d: a worker sleeps with a task in the queue", round)
			}
		}
		if rand.IntN(2) == 0 {
			require.NoError(t, p.Wait(t.Context()))
		}
	}
}

// Resize(0) while the pool drains: Stop speaks of tasks that were not run if and only
// if there are any. (The last one could be taken after it was seen.)
func TestResizeRacesLastTask(t *testing.T) {
	for range raceRounds {
		p := newPoolIn(t, context.Background(), &pool.Options{Workers: 1 + rand.IntN(3), Queue: 64}, dense.New[int]())
		_, err := p.SubmitAll(context.Background(), values(40))
		require.NoError(t, err)
		_ = p.Stop(doneContext()) // it drains from here on
		for range rand.IntN(60) {
			checkStats(t, p.Stats())
		}
		_ = p.Resize(0)
		err = p.Stop(context.Background())
		s := p.Stats()
		require.Equal(t, s.NotRun > 0, errors.Is(err, pool.ErrNotRun), "Stop: %v, %+v", err, s)
	}
}

// TrySubmit finds room in a queue in which nothing waits, also while the worker that
// has taken the last task is not quite done with its place.
func TestTrySubmitFindsRoom(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 6, Queue: 1}, dense.New[int]())
	for tried := 0; tried < raceRounds; {
		if p.Stats().Queued > 0 {
			runtime.Gosched()
			continue
		}
		tried++
		_, err := p.TrySubmit(value(1))
		require.NoError(t, err, "the only submitter found the queue empty before")
	}
}

// A Submit that waits for room when the pool is cancelled is refused, also if there is
// room a moment later. (A worker that came with room before the pool had heard of its
// cancel gave it to the submitter.)
func TestCancelRefusesWhoWaits(t *testing.T) {
	for range raceRounds {
		ctx, cancel := context.WithCancelCause(context.Background())
		p := newPoolIn(t, ctx, &pool.Options{Workers: 1, Queue: 1}, dense.New[int]())
		var end atomic.Bool
		submit(t, p, func(context.Context) (int, error) {
			for !end.Load() {
				runtime.Gosched()
			}
			return 1, nil
		})
		for p.Stats().Running == 0 {
			runtime.Gosched()
		}
		submit(t, p, value(2)) // the room
		refused := p.submitting(value(3))
		for !p.CallsWorkers() { // it is asleep then
			runtime.Gosched()
		}
		cancel(errCause)
		end.Store(true)
		for i := 0; i < 100_000 && !isClosed(refused.done); i++ {
			continue // or onCancel would run here, and be in time
		}
		<-refused.done
		matchesAll(t, refused.err, pool.ErrClosed, errCause)
		require.EqualValues(t, 2, p.Stats().Submitted)
		<-p.Done()
	}
}

// Stop and the cancel end a pool whose workers are just falling asleep. (They counted those who sleep before
// they set the gates: a worker that announced itself in between slept for ever, and so did Stop.)
func TestStopRacesSleep(t *testing.T) {
	for round := range raceRounds {
		ctx, cancel := context.WithCancelCause(context.Background())
		p := newPoolIn(t, ctx, &pool.Options{Workers: 2}, dense.New[int]())
		for range 2 {
			submit(t, p, value(1))
		}
		for range rand.IntN(20) {
			runtime.Gosched()
		}
		if round%2 == 0 {
			cancel(errCause)
		} else {
			_ = p.Stop(doneContext())
		}
		select {
		case <-p.Done():
		case <-time.After(10 * time.Second):
			t.Fatalf("round %d: a worker sleeps in a pool that has stopped", round)
		}
		cancel(nil)
	}
}

// Once Resize(0) has returned and no task runs, none begins, however close a worker was to it.
func TestResizeToZeroRacesWorkers(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 3, Queue: 1 << 20})
	var began atomic.Int64
	one := func(context.Context) (int, error) { began.Add(1); return 0, nil }
	for range 300 {
		require.NoError(t, p.Resize(3))
		_, err := p.SubmitAll(t.Context(), repeat(100, one))
		require.NoError(t, err)
		for p.Stats().Running == 0 && p.Stats().Queued > 0 {
			runtime.Gosched()
		}
		require.NoError(t, p.Resize(0))
		for p.Stats().Running > 0 {
			runtime.Gosched()
		}
		before := began.Load()
		for range 20 {
			runtime.Gosched()
		}
		require.Equal(t, before, began.Load(), "%+v", p.Stats())
	}
}

// A task whose time comes at the moment at which the only worker that sleeps is handed another one has a worker
// started for it. (Who looked whether one sleeps had not yet turned away what hands tasks over.)
func TestRaceOfRetryAndHandOver(t *testing.T) {
	for round := range raceRounds {
		p := newPoolIn(t, context.Background(), &pool.Options{Workers: 2}, dense.New[int]())
		parked := submit(t, p, again(time.Hour)) // so the clock goes on
		for s := p.Stats(); s.Queued != 1 || s.Running > 0; s = p.Stats() {
			runtime.Gosched()
		}
		asked, came, gate := make(chan struct{}), make(chan struct{}), make(chan struct{})
		submit(t, p, func(ctx context.Context) (int, error) {
			if this, _ := pool.TaskFromContext(ctx); this.Attempt == 1 {
				close(asked)
				return 0, pool.RetryAfter(50*time.Microsecond, errTask)
			}
			close(came)
			return gated(gate, 0)(ctx)
		})
		<-asked
		for at := time.Now().Add(time.Duration(40+2*(round%100)) * time.Microsecond); time.Now().Before(at); {
			runtime.Gosched()
		}
		submit(t, p, gated(gate, 0))
		select {
		case <-came:
		case <-time.After(10 * time.Second):
			t.Fatalf("round %d: nobody runs a task that is ready", round)
		}
		close(gate)
		require.True(t, p.Cancel(parked, nil))
		require.NoError(t, p.Stop(context.Background()))
	}
}
