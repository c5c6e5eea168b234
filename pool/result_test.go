package pool_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// unreadable is a store whose results of these IDs cannot be read.
type unreadable struct {
	store.ResultStore[int]
	ids map[store.ID]bool
}

var errUnreadable = errors.New("it is damaged")

func (s unreadable) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	if s.ids[id] {
		return store.Result[int]{ID: id}, errUnreadable
	}
	return s.ResultStore.Get(ctx, id)
}

// Result has the outcome of a task in the result and why it cannot be had in the error.
func TestResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, _, _ := busyPool(t)
		var panicked *pool.PanicError
		failed, panics, exits := submit(t, p, failingTask), store.ID(0), store.ID(0)
		waits := begin(func() error {
			res, err := p.Result(t.Context(), running)
			assert.Equal(t, store.Result[int]{ID: running, Value: 1}, res)
			return err
		})
		waits.waits(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		impatient := begin(func() error { _, err := p.Result(ctx, running); return err })
		impatient.waits(t)
		cancel(io.EOF)
		assert.Equal(t, io.EOF, impatient.returns(t))
		close(gate)
		assert.NoError(t, waits.returns(t))
		panics, exits = submit(t, p, panickingTask), submit(t, p, exitingTask)

		res, err := p.Result(t.Context(), failed)
		assert.NoError(t, err)
		assert.Equal(t, store.Result[int]{ID: failed, Value: 4, Err: errTask}, res)
		res, err = p.Result(t.Context(), panics)
		assert.NoError(t, err)
		assert.ErrorAs(t, res.Err, &panicked)
		res, err = p.Result(t.Context(), exits)
		assert.NoError(t, err)
		assert.Equal(t, pool.ErrGoexit, res.Err)

		require.NoError(t, p.st.Delete(t.Context(), failed))
		for _, id := range []store.ID{0, failed, 1000} {
			res, err = p.Result(t.Context(), id)
			assert.ErrorIs(t, err, store.ErrNotFound)
			assert.Zero(t, res)
		}
		_, err = p.Result(nil, 1) //nolint:staticcheck // that is the test
		assert.ErrorContains(t, err, "nil context")
		_, err = new(pool.Pool[int, int]).Result(t.Context(), 1)
		assert.ErrorIs(t, err, pool.ErrClosed)
	})
}

// Peek says at once what has become of a task, wherever that is.
func TestPeek(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, map[bool]string{false: "Put", true: "PutBatch"}[batch], func(t *testing.T) {
			saving := make(chan struct{})
			st := newTestStore(after(saving))
			p, gate, running, queued, _ := busyPool(t, st.as(batch))
			opensAtEnd(t, saving)
			peek := func(id store.ID, want pool.State) store.Result[int] {
				t.Helper()
				res, state, err := p.Peek(t.Context(), id)
				assert.NoError(t, err)
				assert.Equal(t, want, state, "task %d", id)
				return res
			}
			peek(running, pool.Pending)
			assert.Zero(t, peek(queued, pool.Pending))
			assert.Zero(t, peek(1000, pool.Unknown))
			close(gate)
			synctest.Wait()
			peek(running, pool.Pending) // it has run, and is being stored
			close(saving)
			require.NoError(t, p.Wait(t.Context()))
			assert.Equal(t, store.Result[int]{ID: queued, Value: 2}, peek(queued, pool.Ended))
			require.NoError(t, p.st.Delete(t.Context(), queued))
			peek(queued, pool.Unknown)
			peek(0, pool.Unknown)
		})
	}
	assert.Equal(t, "unknown pending ended State(3)", pool.Unknown.String()+" "+pool.Pending.String()+" "+pool.Ended.String()+" "+pool.State(3).String())
}

// What is wrong with a result or with the store is Peek's and Result's error. A result that was given up, or
// that cannot be read, has ended.
func TestResultCannotBeHad(t *testing.T) {
	bubble(t, "the store is down", func(t *testing.T) {
		st := newTestStore(nil)
		st.get = storetest.Fail(errDown)
		p := newPool(t, nil, st)
		id := submit(t, p, value(1))
		_, err := p.Result(t.Context(), id)
		assert.Equal(t, errDown, err)
		res, state, err := p.Peek(t.Context(), id)
		assert.Equal(t, errDown, err)
		assert.Zero(t, res)
		assert.Equal(t, pool.Unknown, state)
	})
	bubble(t, "unreadable", func(t *testing.T) {
		p := newPool(t, nil, unreadable{newTestStore(nil), map[store.ID]bool{1: true}})
		id := submit(t, p, value(1))
		_, err := p.Result(t.Context(), id)
		assert.Equal(t, errUnreadable, err)
		_, state, err := p.Peek(t.Context(), id)
		assert.Equal(t, errUnreadable, err)
		assert.Equal(t, pool.Ended, state)
	})
	bubble(t, "given up", func(t *testing.T) {
		p := newPool(t, nil, newTestStore(storetest.Fail(errDown)))
		id := submit(t, p, failingTask)
		synctest.Wait()
		p.cancel(errCause)
		<-p.Done()
		want := store.Result[int]{ID: id, Value: 4, Err: errTask}
		res, err := p.Result(t.Context(), id)
		assert.Equal(t, []store.Result[int]{want}, handedBack(t, err, 1))
		assert.Equal(t, want, res)
		res, state, err := p.Peek(t.Context(), id)
		assert.Equal(t, []store.Result[int]{want}, handedBack(t, err, 1))
		assert.Equal(t, want, res)
		assert.Equal(t, pool.Ended, state)
	})
}

// Inside a task, Result does not wait, and Peek need not.
func TestResultInsideTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil)
		done := submit(t, p, value(7))
		synctest.Wait()
		id := submit(t, p, func(ctx context.Context) (int, error) {
			_, err := p.Result(ctx, 2)
			assert.Equal(t, pool.ErrInTask, err)
			_, state, err := p.Peek(ctx, 2)
			assert.NoError(t, err)
			assert.Equal(t, pool.Pending, state)
			res, err := p.Result(ctx, done)
			assert.NoError(t, err)
			return res.Value, err
		})
		require.EqualValues(t, 2, id)
		v, err := p.Get(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}

// bare is an engine with nothing that is optional.
type bare struct{ engine.Engine }

// Over an engine, Peek tells the states apart whoever has submitted the task, asks once, and does not wait for
// tasks. Only an engine that is a Waiter knows that there is no task.
func TestJoinPeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		p, _ := join(t, memory, func(ctx context.Context, in int) (int, error) {
			select {
			case <-time.After(time.Hour):
				return 2 * in, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, &pool.Options{Workers: 1})
		q, _ := join(t, memory.Open(), nil, nil)
		peek := func(id store.ID, want pool.State) store.Result[int] {
			t.Helper()
			begun := time.Now()
			res, state, err := q.Peek(t.Context(), id)
			assert.NoError(t, err)
			assert.Equal(t, want, state, "task %d", id)
			assert.LessOrEqual(t, time.Since(begun), 100*time.Millisecond)
			return res
		}
		ids := accepted(t, p, 1, 2)
		peek(ids[0], pool.Pending)
		peek(ids[1], pool.Pending)
		peek(ids[1]+1, pool.Unknown)
		res, err := q.Result(t.Context(), ids[0])
		assert.NoError(t, err)
		assert.Equal(t, store.Result[int]{ID: ids[0], Value: 2}, res)
		assert.Equal(t, res, peek(ids[0], pool.Ended))
		require.NoError(t, memory.Delete(t.Context(), []uint64{uint64(ids[0])}))
		peek(ids[0], pool.Unknown)
		_, err = q.Result(t.Context(), ids[0])
		assert.ErrorIs(t, err, store.ErrNotFound)

		b, _ := join(t, bare{memory.Open()}, nil, nil)
		_, state, err := b.Peek(t.Context(), ids[1]+1)
		assert.NoError(t, err)
		assert.Equal(t, pool.Pending, state)

		require.NoError(t, memory.Save(t.Context(), []engine.Record{{ID: 77, Data: []byte("nonsense")}}))
		_, state, err = q.Peek(t.Context(), 77)
		assert.Error(t, err)
		assert.Equal(t, pool.Ended, state)

		calls := 0
		down := faulty(memory, enginetest.Faults{Load: func(context.Context, []uint64, func(context.Context) error) error {
			calls++
			return errEngineDown
		}})
		d, _ := join(t, down, nil, nil)
		_, state, err = d.Peek(t.Context(), ids[1])
		assert.ErrorIs(t, err, errEngineDown)
		assert.Equal(t, pool.Unknown, state)
		assert.Equal(t, 1, calls)
		h, _ := join(t, faulty(memory, enginetest.Faults{Load: hang}), nil, nil)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, io.EOF)
		defer cancel()
		_, _, err = h.Peek(ctx, ids[1])
		assert.Equal(t, io.EOF, err)
	})
}
