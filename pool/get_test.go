package pool_test

import (
	"context"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/storetest"
)

// Get waits for a task that waits or runs, and then for nothing more.
func TestGetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t)
		var gets []*pending
		for range 3 { // several for each
			for i, id := range []store.ID{running, queued, queued2} {
				gets = append(gets, begin(func() error {
					v, err := p.Get(t.Context(), id)
					assert.Equal(t, i+1, v)
					return err
				}))
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		impatient := begin(func() error { _, err := p.Get(ctx, queued); return err })
		impatient.waits(t)
		cancel(io.EOF)
		assert.Equal(t, io.EOF, impatient.returns(t))
		for _, get := range gets {
			get.waits(t)
		}
		close(gate)
		for _, get := range gets {
			assert.NoError(t, get.returns(t))
		}
		v, err := p.Get(ctx, queued)
		assert.NoError(t, err, "Get of what is stored, with a ctx that is done")
		assert.Equal(t, 2, v)
	})
}

// A pool that is opened again over the same store answers for the tasks of the one before.
func TestReopenedStoreAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := dense.New[int]()
		last := newPool(t, nil, st)
		id := submit(t, last, value(7))
		require.NoError(t, last.Stop(t.Context()))

		p := newPool(t, nil, st)
		v, err := p.Get(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, 7, v)
		require.NoError(t, st.Delete(t.Context(), id))
		_, err = p.Get(t.Context(), id)
		assert.ErrorIs(t, err, store.ErrNotFound)
	})
}

// A result is written before anything that waits for it wakes, and it is found by
// every Get that begins after its Submit, at whatever moment.
func TestGetRacesTask(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 4, Queue: 4})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 3000 {
				want := g*10_000 + i
				id, err := p.Submit(t.Context(), value(want))
				assert.NoError(t, err)
				if i%3 == 0 {
					runtime.Gosched()
				}
				v, err := p.Get(t.Context(), id)
				if err != nil || v != want {
					t.Errorf("Get(%d) = %d, %v, want %d", id, v, err, want)
				}
				assert.NoError(t, p.st.Delete(t.Context(), id))
			}
		})
	}
	wg.Wait()
	assert.NoError(t, p.Stop(t.Context()))
	assert.Zero(t, holds(t, p))
}

// What the store says when it cannot be read reaches the caller at once, also while the
// task runs: only an ID that is not found is waited for.
func TestGetStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newTestStore(nil)
		st.get, st.all = storetest.Fail(errDown), storetest.Fail(errDown)
		p, _, running, _, _ := busyPool(t, st)
		assert.Equal(t, errDown, p.getting(running).returns(t))
		all, err := p.Results(t.Context())
		assert.Equal(t, errDown, err)
		assert.Nil(t, all)
	})
}

// A task that waits is told of as others are while submitters wait for room.
func TestGetIsToldWhileSubmittersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Queue: 100})
		tokens := make(chan struct{})
		opensAtEnd(t, tokens)
		batch := p.submittingAll(repeat(300, gated(tokens, 1)))
		batch.waits(t)
		for id := range store.ID(20) {
			got := p.getting(1 + id)
			got.waits(t)
			tokens <- struct{}{}
			assert.NoError(t, got.returns(t))
		}
		batch.waits(t)
	})
}

// A Get that has given up costs nothing any more, though its task runs on: workers
// are called to the pool's lock after each task only while somebody waits.
func TestGetGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2})
		gate := make(chan struct{})
		id := submit(t, p, gated(gate, 7))
		synctest.Wait()
		for range 3 {
			_, err := p.Get(doneContext(), id)
			assert.ErrorIs(t, err, context.Canceled)
			assert.False(t, p.CallsWorkers())
		}
		waits := p.getting(id)
		waits.waits(t)
		_, err := p.Get(doneContext(), id)
		assert.ErrorIs(t, err, context.Canceled)
		close(gate)
		assert.NoError(t, waits.returns(t))
		assert.False(t, p.CallsWorkers())
		v, err := p.Get(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}

// Results is a copy that the caller owns.
func TestResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, _ := busyPool(t)
		all, err := p.Results(t.Context())
		require.NoError(t, err)
		assert.Empty(t, all, "Results does not wait")
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		all, err = p.Results(t.Context())
		require.NoError(t, err)
		assert.Len(t, all, 3)
		assert.Equal(t, store.Result[int]{ID: running, Value: 1}, all[running])
		delete(all, queued)
		all[running] = store.Result[int]{}
		assert.Equal(t, 1, held(t, p, running).Value)
		assert.Equal(t, 2, held(t, p, queued).Value)
	})
}

// Wait waits for all that waits and runs; intake stays open. conc #107: Submit while
// others Wait is legal.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 5})
		gate := make(chan struct{})
		for i := range 3 {
			submit(t, p, gated(gate, i))
		}
		waits := []*pending{p.waiting(), p.waiting()}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, io.EOF)
		defer cancel()
		assert.Equal(t, io.EOF, p.Wait(ctx))
		submit(t, p, gated(gate, 4)) // waited for as well
		for range 4 {
			waits[0].waits(t)
			waits[1].waits(t)
			gate <- struct{}{}
		}
		for _, wait := range waits {
			assert.NoError(t, wait.returns(t))
		}
		assert.NoError(t, p.Wait(ctx), "of a quiet pool, with a ctx that is done")
		submit(t, p, value(5))
		assert.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, 5, holds(t, p))
	})
}

// pond #79: nothing to do is no special case.
func TestNoTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		ids, err := p.SubmitAll(t.Context(), nil)
		assert.NoError(t, err)
		assert.Empty(t, ids)
		for range 2 { // before and after Stop
			assert.NoError(t, p.Wait(t.Context()))
			all, err := p.Results(t.Context())
			assert.NoError(t, err)
			assert.Empty(t, all)
			assert.NoError(t, p.Stop(t.Context()))
		}
	})
}
