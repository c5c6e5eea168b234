package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
)

func newTurns() *enginetest.Memory {
	return enginetest.NewMemory(&enginetest.MemoryOptions{QueueBound: 1, Lease: defaultLease})
}

func TestOneHasTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		has, most := 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				got, err := takeTurn(t.Context(), turns, func() {})
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				has++
				most = max(most, has)
				mu.Unlock()
				time.Sleep(10 * defaultLease) // for which it is extended
				mu.Lock()
				has--
				mu.Unlock()
				got.release()
			})
		}
		wg.Wait()
		assert.Equal(t, 1, most)
	})
}

func TestTurnOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		dead, err := takeTurn(t.Context(), turns, func() {})
		require.NoError(t, err)
		dead.stop() // it extends it no more

		var waited atomic.Bool
		began := time.Now()
		next, err := takeTurn(t.Context(), turns, func() { waited.Store(true) })
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(began), defaultLease)
		assert.True(t, waited.Load())
		next.release()
	})
}

// Who had the turn may die after taking it out of the queue.
func TestTurnThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		dead, err := takeTurn(t.Context(), turns, func() {})
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			next, err := takeTurn(t.Context(), turns, func() {})
			if assert.NoError(t, err) {
				next.release()
			}
		})
		synctest.Wait() // it pulls
		dead.stop()
		require.NoError(t, turns.Ack(t.Context(), dead.held))
		began := time.Now()
		wg.Wait()
		assert.LessOrEqual(t, time.Since(began), lookForTurn)
	})
}

func TestInterruptWhileWaitingForTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		first, err := takeTurn(t.Context(), turns, func() {})
		require.NoError(t, err)
		defer first.release()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errInterrupted) })
		_, err = takeTurn(ctx, turns, func() {})
		assert.ErrorIs(t, err, errInterrupted)
	})
}

func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		calls := 0
		require.NoError(t, again(t.Context(), turns, func() error {
			if calls++; calls < 100 {
				return errors.New("down")
			}
			return nil
		}))
		assert.Equal(t, 100, calls)

		require.NoError(t, turns.Close())
		err := again(t.Context(), turns, func() error { return addTurn(t.Context(), turns) })
		assert.ErrorIs(t, err, engine.ErrClosed, "which never works again")
	})
}
