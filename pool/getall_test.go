package pool_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// A pair is what a loop over results has yielded.
type pair struct {
	res store.Result[int]
	err error
}

// A listener is a loop over results on a goroutine of its own. Its body waits for go on after each pair, if there
// is one.
type listener struct {
	*pending
	mu    sync.Mutex
	pairs []pair
}

// listen begins a loop, and leaves it after so many pairs, if that is not 0.
func listen(seq func(yield func(store.Result[int], error) bool), most int) *listener {
	l := &listener{}
	l.pending = begin(func() error {
		n := 0
		for res, err := range seq {
			l.mu.Lock()
			l.pairs = append(l.pairs, pair{res, err})
			l.mu.Unlock()
			if n++; n == most {
				break
			}
		}
		return nil
	})
	return l
}

// ids returns the IDs of what has been yielded, without errors, when the whole bubble is blocked.
func (l *listener) ids(t *testing.T) (ids []store.ID) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.pairs {
		require.NoError(t, p.err)
		ids = append(ids, p.res.ID)
	}
	return ids
}

// last returns the last pair of a loop that has ended.
func (l *listener) last(t *testing.T) pair {
	t.Helper()
	require.NoError(t, l.returns(t))
	require.NotEmpty(t, l.pairs)
	return l.pairs[len(l.pairs)-1]
}

// GetAll yields what is stored, and then what ends, in that order and at once, each once.
func TestGetAllInOrderOfEnds(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, map[bool]string{false: "Put", true: "PutBatch"}[batch], func(t *testing.T) {
			const n = 600 // tickets of three segments
			p := newPool(t, &pool.Options{Workers: n, Queue: n}, newTestStore(nil).as(batch))
			gates := make([]chan struct{}, n+1)
			for id := 1; id <= n; id++ {
				gates[id] = make(chan struct{})
				submit(t, p, gated(gates[id], id))
			}
			t.Cleanup(func() {
				for _, gate := range gates[1:] {
					if !isClosed(gate) {
						close(gate)
					}
				}
			})
			close(gates[7])
			close(gates[300])
			synctest.Wait()
			l := listen(p.GetAll(t.Context(), append(idsFromTo(1, n), 300, 5)), 0)
			want := []store.ID{7, 300}
			assert.Equal(t, want, l.ids(t))
			for _, i := range rand.Perm(n) {
				id := store.ID(i + 1)
				if id == 7 || id == 300 {
					continue
				}
				close(gates[id])
				want = append(want, id)
				synctest.Wait()
			}
			assert.Equal(t, want, l.ids(t))
			assert.NoError(t, l.returns(t))
			assert.Equal(t, n, holds(t, p), "nothing is deleted")
			assert.Equal(t, store.Result[int]{ID: 300, Value: 300}, l.pairs[1].res)
		})
	}
}

// What cannot be had is a pair with its ID, and the loop goes on. What ends the loop is a pair without one.
func TestGetAllErrors(t *testing.T) {
	bubble(t, "of a result", func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t, unreadable{newTestStore(nil), map[store.ID]bool{2: true}})
		l := listen(p.GetAll(t.Context(), []store.ID{99, queued2, queued, running}), 0)
		synctest.Wait()
		close(gate)
		require.NoError(t, l.returns(t))
		require.Len(t, l.pairs, 4)
		assert.ErrorIs(t, l.pairs[0].err, store.ErrNotFound)
		assert.EqualValues(t, 99, l.pairs[0].res.ID)
		assert.Equal(t, pair{store.Result[int]{ID: running, Value: 1}, nil}, l.pairs[1])
		assert.Equal(t, pair{store.Result[int]{ID: queued}, errUnreadable}, l.pairs[2])
		assert.Equal(t, pair{store.Result[int]{ID: queued2, Value: 3}, nil}, l.pairs[3])
	})
	bubble(t, "of the store", func(t *testing.T) {
		st := newTestStore(nil)
		st.get = script(works, storetest.Fail(errDown))
		p := newPool(t, nil, st)
		for i := range 3 {
			submit(t, p, value(i))
		}
		require.NoError(t, p.Wait(t.Context()))
		l := listen(p.GetAll(t.Context(), idsFromTo(1, 3)), 0)
		assert.Equal(t, pair{store.Result[int]{}, errDown}, l.last(t))
		assert.Len(t, l.pairs, 2)
	})
	bubble(t, "of ctx", func(t *testing.T) {
		p, gate, running, queued, _ := busyPool(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		l := listen(p.GetAll(ctx, []store.ID{running, queued}), 0)
		assert.Empty(t, l.ids(t))
		cancel(io.EOF)
		assert.Equal(t, pair{store.Result[int]{}, io.EOF}, l.last(t))
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		l = listen(p.GetAll(ctx, []store.ID{running}), 0)
		assert.Equal(t, pair{store.Result[int]{}, io.EOF}, l.last(t))
		assert.Len(t, l.pairs, 1)
	})
	bubble(t, "given up", func(t *testing.T) {
		p := newPool(t, nil, newTestStore(storetest.Fail(errDown)))
		id := submit(t, p, value(3))
		l := listen(p.GetAll(t.Context(), []store.ID{id}), 0)
		l.waits(t)
		p.cancel(errCause)
		last := l.last(t)
		assert.Equal(t, store.Result[int]{ID: id, Value: 3}, last.res)
		handedBack(t, last.err, 1)
	})
	bubble(t, "not run", func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t)
		l := listen(p.GetAll(t.Context(), []store.ID{running, queued2, queued}), 0)
		assert.Empty(t, l.ids(t))
		p.cancel(errCause)
		assert.ElementsMatch(t, []store.ID{queued, queued2}, l.ids(t), "while one still runs")
		assert.ErrorIs(t, l.pairs[0].res.Err, pool.ErrNotRun)
		close(gate)
		assert.Equal(t, running, l.last(t).res.ID)
	})
	bubble(t, "misuse", func(t *testing.T) {
		p := newPool(t, nil)
		for name, seq := range map[string]func(func(store.Result[int], error) bool){
			"nil context":  p.GetAll(nil, []store.ID{1}), //nolint:staticcheck // that is the test
			"index 1 is 0": p.GetAll(t.Context(), []store.ID{1, 0}),
			"not made by":  new(pool.Pool[int, int]).GetAll(t.Context(), []store.ID{1}),
		} {
			l := listen(seq, 0)
			assert.ErrorContains(t, l.last(t).err, name)
			assert.Zero(t, l.pairs[0].res)
			assert.Len(t, l.pairs, 1)
		}
		assert.Empty(t, listen(p.GetAll(t.Context(), nil), 0).ids(t))
	})
	bubble(t, "inside a task", func(t *testing.T) {
		p := newPool(t, nil)
		for i := range 2 {
			submit(t, p, value(i))
		}
		synctest.Wait()
		submit(t, p, func(ctx context.Context) (int, error) {
			var got []pair
			for res, err := range p.GetAll(ctx, []store.ID{1, 3, 2}) {
				got = append(got, pair{res, err})
			}
			assert.Equal(t, []pair{{store.Result[int]{ID: 1}, nil}, {store.Result[int]{ID: 2, Value: 1}, nil}, {store.Result[int]{ID: 3}, pool.ErrInTask}}, got)
			return 0, nil
		})
		require.NoError(t, p.Wait(t.Context()))
	})
}

// A loop that is left, also by a panic, costs nothing any more, and those beside it go on.
func TestGetAllIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t)
		ids := []store.ID{running, queued, queued2}
		stays := listen(p.GetAll(t.Context(), ids), 0)
		leaves := listen(p.GetAll(t.Context(), ids), 1)
		panics := begin(func() (err error) {
			defer func() { err = recover().(error) }()
			for range p.GetAll(t.Context(), ids) {
				panic(errTask)
			}
			return nil
		})
		gets := p.getting(queued2)
		panics.waits(t)
		close(gate)
		assert.Equal(t, ids, stays.ids(t))
		assert.Equal(t, ids[:1], leaves.ids(t))
		assert.Equal(t, errTask, panics.returns(t))
		assert.NoError(t, gets.returns(t))
		assert.NoError(t, stays.returns(t))
	})
}

// However the loops race with the tasks, each yields each result once.
func TestGetAllRacesTasks(t *testing.T) {
	for _, batch := range []bool{false, true} {
		t.Run(map[bool]string{false: "Put", true: "PutBatch"}[batch], func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 4, Queue: 3000}, newTestStore(nil).as(batch))
			var loops sync.WaitGroup
			for range 4 {
				loops.Go(func() {
					for range 10 {
						ids, err := p.SubmitAll(t.Context(), values(700))
						assert.NoError(t, err)
						want := slices.Clone(ids)
						rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
						var got []store.ID
						for res, err := range p.GetAll(t.Context(), ids) {
							assert.NoError(t, err)
							got = append(got, res.ID)
						}
						slices.Sort(got)
						assert.Equal(t, want, got)
					}
				})
			}
			loops.Wait()
			assert.NoError(t, p.Stop(t.Context()))
		})
	}
}

// Over an engine GetAll has the results of all who have joined: what is stored in the order of ids, and the rest
// as tasks end, also behind many that take long.
func TestJoinGetAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		p, _ := join(t, memory, func(ctx context.Context, in int) (int, error) {
			time.Sleep(time.Duration(in) * time.Millisecond)
			return in, nil
		}, &pool.Options{Workers: 1000, Queue: 16000})
		q, _ := join(t, memory.Open(), nil, nil)
		const slow, quick = 200, 10
		long := int(5 * time.Minute / time.Millisecond)
		in := []int{1, 2}
		for range slow {
			in = append(in, long)
		}
		for i := range quick {
			in = append(in, 20_000*(quick-i))
		}
		ids := accepted(t, p, in...)
		time.Sleep(time.Second)
		l := listen(q.GetAll(t.Context(), append(slices.Clone(ids), 12345)), 0)
		synctest.Wait()
		l.mu.Lock()
		require.Len(t, l.pairs, 2)
		l.mu.Unlock()
		time.Sleep(4 * time.Minute)
		require.ErrorIs(t, unlisted(l, 12345), store.ErrNotFound)
		want := ids[:2:2]
		for i := range quick {
			want = append(want, ids[len(ids)-1-i])
		}
		assert.Equal(t, want, l.ids(t), "while %d others run for five minutes", slow)
		time.Sleep(5 * time.Minute)
		assert.Len(t, l.ids(t), len(ids))
		assert.NoError(t, l.returns(t))

		// A loop that is left leaves no goroutine behind, and one whose ctx ends says so.
		more := accepted(t, p, long, long)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, io.EOF)
		defer cancel()
		l = listen(q.GetAll(ctx, more), 0)
		time.Sleep(2 * time.Second)
		assert.Equal(t, pair{store.Result[int]{}, io.EOF}, l.last(t))
		l = listen(q.GetAll(t.Context(), append(ids, more...)), 1)
		time.Sleep(time.Second)
		assert.Len(t, l.ids(t), 1)
		require.NoError(t, l.returns(t))
		l = listen(q.GetAll(t.Context(), more), 1)
		time.Sleep(10 * time.Minute)
		assert.Len(t, l.ids(t), 1)
	})
}

// unlisted returns the error of a pair, which it removes.
func unlisted(l *listener, id store.ID) error {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, p := range l.pairs {
		if p.res.ID == id {
			l.pairs = slices.Delete(l.pairs, i, i+1)
			return p.err
		}
	}
	return errors.New("it was not yielded")
}

// An engine that is down is waited for, one that is gone ends the loop, and inside a task nothing is waited for.
func TestJoinGetAllErrors(t *testing.T) {
	bubble(t, "down", func(t *testing.T) {
		memory := newMemory(0)
		var down breakdown
		p, _ := join(t, faulty(memory, enginetest.Faults{Load: func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
			return down.fault(ctx, nil, do)
		}}), doubled, nil)
		ids := accepted(t, p, 1, 2, 3)
		down.Store(true)
		l := listen(p.GetAll(t.Context(), ids), 0)
		time.Sleep(time.Minute)
		assert.Empty(t, l.ids(t))
		down.Store(false)
		time.Sleep(10 * time.Second)
		assert.Equal(t, ids, l.ids(t))
	})
	bubble(t, "closed", func(t *testing.T) {
		memory := newMemory(0)
		p, _ := join(t, memory, lasting(time.Hour), nil)
		ids := accepted(t, p, 1, 2, 3)
		l := listen(p.GetAll(t.Context(), ids), 0)
		l.waits(t)
		require.NoError(t, memory.Close())
		time.Sleep(2 * time.Hour)
		last := l.last(t)
		assert.ErrorIs(t, last.err, pool.ErrClosed)
		assert.Zero(t, last.res)
		assert.Len(t, l.pairs, 1)
	})
	bubble(t, "inside a task", func(t *testing.T) {
		memory := newMemory(0)
		var p *pool.Pool[int, int]
		var got []pair
		p, _ = join(t, memory, func(ctx context.Context, in int) (int, error) {
			for res, err := range p.GetAll(ctx, []store.ID{store.ID(in)}) {
				got = append(got, pair{res, err})
			}
			return 0, nil
		}, nil)
		ids := accepted(t, p, 5)
		has(t, p, ids[0], 0)
		assert.Equal(t, []pair{{store.Result[int]{ID: 5}, pool.ErrInTask}}, got)
	})
}
