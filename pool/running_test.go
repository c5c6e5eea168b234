package pool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// Running has the IDs of the tasks that Stats counts as running, in their order: those that are handed to the
// writer too, and those that wait not, also if the pool's cancel has called them off.
func TestRunning(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, "", func(t *testing.T) {
			gate, stored := make(chan struct{}), make(chan struct{})
			d := newReserver(1000, 0)
			d.put = after(stored)
			var st store.ResultStore[int] = d
			if batch {
				st = reservingBatches{d}
			}
			p := newPool(t, &pool.Options{Workers: 3}, st)
			opensAtEnd(t, stored)
			opensAtEnd(t, gate)
			assert.Empty(t, p.Running())
			submit(t, p, value(1))
			for range 5 {
				submit(t, p, gated(gate, 1))
			}
			synctest.Wait()
			want := idsFromTo(1000, 1002) // the first one is being stored
			if batch {
				want = idsFromTo(1000, 1003)
			}
			assert.Equal(t, want, p.Running())
			assert.EqualValues(t, len(want), p.Stats().Running)
			p.cancel(errCause)
			synctest.Wait()
			assert.Equal(t, want, p.Running())
			assert.EqualValues(t, len(want), p.Stats().Running)
			close(gate)
			close(stored)
			<-p.Done()
			assert.Empty(t, p.Running())
		})
	}
}

// It is of one moment: never more than there are workers.
func TestRunningIsOfOneMoment(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2})
	done := begin(func() error {
		for range 200 {
			if _, err := p.SubmitAll(context.Background(), values(100)); err != nil {
				return err
			}
		}
		return nil
	})
	for !isClosed(done.done) {
		assert.LessOrEqual(t, len(p.Running()), 2)
	}
	require.NoError(t, done.err)
}
