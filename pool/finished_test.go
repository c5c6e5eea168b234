package pool_test

import (
	"context"
	"fmt"
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
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/storetest"
)

// deletes is a store that notes what is deleted together, and has faults for that.
type deletes struct {
	store.ResultStore[int]
	fault storetest.Fault

	mu    sync.Mutex
	sizes []int
}

func (d *deletes) DeleteBatch(ctx context.Context, ids []store.ID) error {
	d.mu.Lock()
	d.sizes = append(d.sizes, len(ids))
	d.mu.Unlock()
	return through(ctx, d.fault, ids, func(ctx context.Context) error {
		for _, id := range ids {
			if err := d.Delete(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

var _ store.BatchDeleter[int] = (*deletes)(nil)

// Finished yields what is stored, in the order of IDs, and then what ends, each once, deletes it, and ends with
// the pool.
func TestFinished(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, map[bool]string{false: "Put", true: "PutBatch"}[batch], func(t *testing.T) {
			const n = 600
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
			for _, id := range []int{300, 7, 500, 600} {
				close(gates[id])
				synctest.Wait()
			}
			require.NoError(t, p.st.Delete(t.Context(), 500)) // it is gone, and passed over
			assert.False(t, p.Listens())
			l := listen(p.Finished(t.Context()), 0)
			want := []store.ID{7, 300, 600}
			assert.Equal(t, want, l.ids(t))
			assert.Equal(t, 0, holds(t, p), "deleted before it waits")
			for _, i := range rand.Perm(n) {
				id := store.ID(i + 1)
				if isClosed(gates[id]) {
					continue
				}
				close(gates[id])
				want = append(want, id)
				synctest.Wait()
			}
			assert.Equal(t, want, l.ids(t))
			assert.Equal(t, 0, holds(t, p))
			for _, in := range []task{failingTask, panickingTask, exitingTask} {
				want = append(want, submit(t, p, in))
				assert.Equal(t, want, l.ids(t))
			}
			l.waits(t)
			require.NoError(t, p.Stop(t.Context()))
			assert.NoError(t, l.returns(t))
			assert.Equal(t, want, l.ids(t))
			assert.Equal(t, 0, holds(t, p))
			assert.False(t, p.Listens())
			assert.Empty(t, listen(p.Finished(t.Context()), 0).ids(t), "of a pool that has ended, with nothing left")
		})
	}
}

// What is not run has a result, too. What the store would not take is Stop's alone.
func TestFinishedAfterCancel(t *testing.T) {
	bubble(t, "not run", func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t)
		l := listen(p.Finished(t.Context()), 0)
		assert.Empty(t, l.ids(t))
		p.cancel(errCause)
		assert.ElementsMatch(t, []store.ID{queued, queued2}, l.ids(t))
		assert.ErrorIs(t, l.pairs[0].res.Err, pool.ErrNotRun)
		close(gate)
		assert.NoError(t, l.returns(t))
		assert.Equal(t, running, l.last(t).res.ID)
		assert.Len(t, l.pairs, 3)
	})
	bubble(t, "given up", func(t *testing.T) {
		p := newPool(t, nil, newTestStore(script(works, storetest.Fail(store.ErrRejected), storetest.Fail(store.ErrRejected))))
		l := listen(p.Finished(t.Context()), 0)
		for i := range 3 {
			submit(t, p, value(i))
			synctest.Wait()
		}
		assert.Equal(t, []store.ID{1, 3}, l.ids(t))
		assert.Equal(t, store.ID(2), handedBack(t, p.Stop(t.Context()), 1)[0].ID)
		assert.NoError(t, l.returns(t))
		assert.Len(t, l.pairs, 2)
	})
}

// What Cancel has called off is yielded when its result is stored, and not when its turn has come, which may be never:
// once, whether it was called off before the loop or during it.
func TestFinishedBeforeItsTurn(t *testing.T) {
	bubble(t, "busy", func(t *testing.T) {
		p, gate, running, queued, queued2 := busyPool(t)
		assert.True(t, p.Cancel(queued2, errCause))
		synctest.Wait()
		l := listen(p.Finished(t.Context()), 0)
		want := []store.ID{queued2}
		assert.Equal(t, want, l.ids(t))
		assert.True(t, p.Cancel(queued, errCause))
		want = append(want, queued)
		require.Equal(t, want, l.ids(t))
		assert.ErrorIs(t, l.pairs[1].res.Err, pool.ErrNotRun)
		assert.Equal(t, 0, holds(t, p))
		close(gate)
		want = append(want, running, submit(t, p, value(4)))
		assert.Equal(t, want, l.ids(t))
		require.NoError(t, p.Stop(t.Context()))
		assert.NoError(t, l.returns(t))
		assert.Equal(t, want, l.ids(t))
	})
	bubble(t, "without workers", func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		gate := make(chan struct{})
		running := submit(t, p, gated(gate, 1))
		ids := []store.ID{submit(t, p, value(2)), submit(t, p, value(3)), submit(t, p, value(4))}
		require.NoError(t, p.Resize(0))
		close(gate)
		l := listen(p.Finished(t.Context()), 0)
		assert.Equal(t, []store.ID{running}, l.ids(t))
		for _, id := range ids {
			assert.True(t, p.Cancel(id, errCause))
		}
		assert.Len(t, l.ids(t), 4)
		require.NoError(t, p.Wait(t.Context()))
		require.NoError(t, p.Resize(1))
		last := submit(t, p, value(5))
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, l.returns(t))
		assert.Equal(t, []store.ID{last}, l.ids(t)[4:])
	})
}

// What was called off, stored and passed over before a loop has listed what is stored, is yielded once. Another loop, whose
// list has failed, has had it noted.
func TestFinishedListsLate(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		st := newTestStore(nil)
		st.all = storetest.First(1, storetest.Block())
		p, gate, running, queued, queued2 := busyPool(t, st)
		ctx, cancel := context.WithCancel(t.Context())
		l := listen(p.Finished(ctx), 0)
		synctest.Wait()
		assert.True(t, p.Cancel(queued, errCause))
		synctest.Wait()
		close(gate)
		next := listen(p.Finished(t.Context()), 0)
		synctest.Wait()
		cancel()
		assert.ErrorIs(t, l.last(t).err, context.Canceled)
		assert.Equal(t, []store.ID{running, queued, queued2}, next.ids(t))
	})
}

// After a break, a panic or the end of ctx, what the body has gone through is deleted, and the result at hand is
// there for the next loop.
func TestFinishedIsLeft(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "to come": false} {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1})
			submitSix := func() {
				for i := range 6 {
					submit(t, p, value(i))
				}
			}
			if stored {
				submitSix()
				require.NoError(t, p.Wait(t.Context()))
			}
			breaks := listen(p.Finished(t.Context()), 2)
			synctest.Wait()
			if !stored {
				submitSix()
			}
			assert.Equal(t, []store.ID{1, 2}, breaks.ids(t))
			require.NoError(t, breaks.returns(t))
			require.NoError(t, p.Wait(t.Context()))
			assert.Equal(t, 5, holds(t, p))
			assert.False(t, p.Listens())

			var seen []store.ID
			assert.PanicsWithValue(t, "boom", func() {
				for res := range p.Finished(t.Context()) {
					if seen = append(seen, res.ID); res.ID == 4 {
						panic("boom")
					}
				}
			})
			assert.Equal(t, []store.ID{2, 3, 4}, seen)
			assert.Equal(t, 3, holds(t, p))
			assert.False(t, p.Listens())

			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			seen = nil
			for res, err := range p.Finished(ctx) {
				if seen = append(seen, res.ID); res.ID == 5 {
					cancel(io.EOF)
				}
				if res.ID == 0 {
					assert.Equal(t, io.EOF, err)
					assert.Equal(t, 1, holds(t, p), "deleted although ctx is done")
				}
			}
			assert.Equal(t, []store.ID{4, 5, 0}, seen)
			assert.Equal(t, []store.ID{6}, listen(p.Finished(t.Context()), 0).ids(t))
		})
	}
}

// Loops share the results. What one of them has at hand when it is left goes to another, and one that is told
// and does not look passes that on.
func TestFinishedIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1})
		hold := make(chan struct{})
		opensAtEnd(t, hold)
		seq := func(yield func(store.Result[int], error) bool) {
			for res, err := range p.Finished(t.Context()) {
				<-hold // the first is held
				if res.ID == 1 || !yield(res, err) {
					break
				}
			}
		}
		slow := listen(seq, 0)
		synctest.Wait()
		submit(t, p, value(1))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a, b, c := listen(p.Finished(t.Context()), 0), listen(p.Finished(t.Context()), 0), listen(p.Finished(ctx), 0)
		synctest.Wait()
		for i := range 10 {
			submit(t, p, value(i))
			synctest.Wait()
		}
		got := append(append(a.ids(t), b.ids(t)...), c.ids(t)...)
		slices.Sort(got)
		assert.Equal(t, idsFromTo(2, 11), got)
		cancel()
		require.NoError(t, c.returns(t))
		close(hold)
		require.NoError(t, slow.returns(t))
		assert.Len(t, append(a.ids(t), b.ids(t)...), 11-(len(c.pairs)-1), "the first is another's now")
		require.NoError(t, p.Stop(t.Context()))
		assert.NoError(t, a.returns(t))
		assert.NoError(t, b.returns(t))
		assert.Equal(t, 0, holds(t, p))
	})
}

// What a store has of earlier runs and of other pools is not a pool's, however the IDs lie among each other.
func TestFinishedIsOfThisPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1 << 16 // IDs are reserved so many at once
		st := dense.New[int]()
		before := newPool(t, nil, st)
		submit(t, before, value(1))
		require.NoError(t, before.Stop(t.Context()))

		p, q := newPool(t, nil, st), newPool(t, nil, st)
		var ofP, ofQ []store.ID
		for range 3 {
			ids, err := p.SubmitAll(t.Context(), repeat(n/2+7, value(2)))
			require.NoError(t, err)
			ofP = append(ofP, ids...)
			ids, err = q.SubmitAll(t.Context(), repeat(n/2+7, value(3)))
			require.NoError(t, err)
			ofQ = append(ofQ, ids...)
		}
		require.NoError(t, p.Wait(t.Context()))
		require.NoError(t, q.Wait(t.Context()))
		require.Less(t, ofQ[0], ofP[len(ofP)-1])
		l := listen(p.Finished(t.Context()), 0)
		assert.Equal(t, ofP, l.ids(t))
		assert.Equal(t, len(ofQ)+1, holds(t, p))
		more, err := p.SubmitAll(t.Context(), repeat(2*n, value(2)))
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		got := l.ids(t)
		slices.Sort(got)
		assert.Equal(t, append(ofP, more...), got)
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, l.returns(t))
		require.NoError(t, q.Stop(t.Context()))
		assert.Equal(t, ofQ, listen(q.Finished(t.Context()), 0).ids(t))
		assert.Equal(t, 1, holds(t, p))
	})
}

// Results are deleted together, and no more than 1,024 that the body has gone through are there.
func TestFinishedDeletesInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &deletes{ResultStore: dense.New[int]()}
		p := newPool(t, nil, st)
		const n = 3000
		_, err := p.SubmitAll(t.Context(), values(n))
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
		gone := 0
		for _, err := range p.Finished(t.Context()) {
			require.NoError(t, err)
			st.mu.Lock()
			deleted := 0
			for _, size := range st.sizes {
				deleted += size
			}
			st.mu.Unlock()
			require.LessOrEqual(t, gone-deleted, 1024)
			gone++
		}
		assert.Equal(t, n, gone)
		assert.Equal(t, []int{1024, 1024, n - 2048}, st.sizes)
	})
}

// An error of the store is the last pair, also one of deleting. A result that cannot be read is a pair, and stays.
func TestFinishedErrors(t *testing.T) {
	bubble(t, "All", func(t *testing.T) {
		st := newTestStore(nil)
		st.all = script(storetest.Fail(errDown))
		p := newPool(t, nil, st)
		id := submit(t, p, value(1))
		require.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, pair{store.Result[int]{}, errDown}, listen(p.Finished(t.Context()), 0).last(t))
		assert.False(t, p.Listens())
		assert.Equal(t, []store.ID{id}, listen(p.Finished(t.Context()), 0).ids(t))
	})
	bubble(t, "Get", func(t *testing.T) {
		st := newTestStore(nil)
		st.get = script(works, storetest.Fail(errDown))
		p := newPool(t, nil, st)
		for i := range 3 {
			submit(t, p, value(i))
		}
		require.NoError(t, p.Wait(t.Context()))
		l := listen(p.Finished(t.Context()), 0)
		assert.Equal(t, pair{store.Result[int]{}, errDown}, l.last(t))
		assert.Len(t, l.pairs, 2)
		assert.Len(t, listen(p.Finished(t.Context()), 0).ids(t), 2)
	})
	bubble(t, "Delete", func(t *testing.T) {
		st := &deletes{ResultStore: newTestStore(nil), fault: script(storetest.Fail(errDown))}
		p := newPool(t, nil, st)
		l := listen(p.Finished(t.Context()), 0)
		synctest.Wait()
		submit(t, p, value(1))
		last := l.last(t)
		assert.ErrorIs(t, last.err, errDown)
		assert.Zero(t, last.res)
		assert.Equal(t, []store.ID{1}, listen(p.Finished(t.Context()), 0).ids(t), "again")
	})
	bubble(t, "Delete, beside another loop", func(t *testing.T) {
		st := &deletes{ResultStore: newTestStore(nil), fault: script(storetest.Fail(errDown))}
		p := newPool(t, nil, st)
		a, b := listen(p.Finished(t.Context()), 0), listen(p.Finished(t.Context()), 0)
		synctest.Wait()
		submit(t, p, value(1))
		synctest.Wait()
		if len(a.pairs) < len(b.pairs) {
			a, b = b, a
		}
		assert.ErrorIs(t, a.last(t).err, errDown)
		assert.Equal(t, []store.ID{1}, b.ids(t), "again")
		assert.Equal(t, 0, holds(t, p))
	})
	bubble(t, "a Delete that hangs", func(t *testing.T) {
		st := &deletes{ResultStore: newTestStore(nil), fault: func(ctx context.Context, _ []store.ID, _ func(context.Context) error) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		p := newPool(t, nil, st)
		ctx, cancel := context.WithCancelCause(t.Context())
		l := listen(p.Finished(ctx), 0)
		submit(t, p, value(1))
		l.waits(t)
		cancel(io.EOF)
		l.waits(t)
		time.Sleep(6 * time.Second)
		assert.Error(t, l.last(t).err)
	})
	bubble(t, "unreadable", func(t *testing.T) {
		p := newPool(t, nil, unreadable{newTestStore(nil), map[store.ID]bool{2: true}})
		for i := range 3 {
			submit(t, p, value(i))
		}
		require.NoError(t, p.Stop(t.Context()))
		l := listen(p.Finished(t.Context()), 0)
		require.NoError(t, l.returns(t))
		require.Len(t, l.pairs, 3)
		assert.Equal(t, pair{store.Result[int]{ID: 2}, errUnreadable}, l.pairs[1])
		assert.Equal(t, 1, holds(t, p))
	})
	bubble(t, "misuse", func(t *testing.T) {
		p := newPool(t, nil)
		for want, seq := range map[string]func(func(store.Result[int], error) bool){
			"nil context": p.Finished(nil), //nolint:staticcheck // that is the test
			"not made by": new(pool.Pool[int, int]).Finished(t.Context()),
		} {
			assert.ErrorContains(t, listen(seq, 0).last(t).err, want)
		}
		submit(t, p, func(ctx context.Context) (int, error) {
			for res, err := range p.Finished(ctx) {
				assert.Equal(t, pair{store.Result[int]{}, pool.ErrInTask}, pair{res, err})
			}
			return 0, nil
		})
		require.NoError(t, p.Wait(t.Context()))
	})
}

// However loops, submitters, breaks and Stop race, each result is gone through once, and none is left.
func TestFinishedRacesTasks(t *testing.T) {
	for _, batch := range []bool{false, true} {
		for _, cancels := range []bool{false, true} {
			t.Run(fmt.Sprintf("batch=%v/cancels=%v", batch, cancels), func(t *testing.T) {
				st := newTestStore(nil)
				p := newPool(t, &pool.Options{Workers: 4, Queue: 100}, st.as(batch))
				var mu sync.Mutex
				seen := make(map[store.ID]int)
				var loops, submitters sync.WaitGroup
				for k := range 3 {
					loops.Go(func() {
						for over := false; !over; {
							over = true
							n := 0
							for res, err := range p.Finished(t.Context()) {
								if err != nil {
									t.Error(err)
									return
								}
								if n++; n > 100*(k+1) {
									over = false
									break // it is yielded again
								}
								mu.Lock()
								seen[res.ID]++
								mu.Unlock()
							}
						}
					})
				}
				for range 3 {
					submitters.Go(func() {
						for range 2000 {
							_, _ = p.Submit(t.Context(), value(1))
						}
					})
				}
				if cancels {
					time.Sleep(5 * time.Millisecond)
					p.cancel(errCause)
				}
				submitters.Wait()
				_ = p.Stop(t.Context())
				loops.Wait()
				submitted := p.Stats().Submitted
				for id, n := range seen {
					require.Equal(t, 1, n, "of result %d", id)
				}
				// A loop may end while another one leaves what it has at hand.
				left := 0
				for range p.Finished(t.Context()) {
					left++
				}
				assert.EqualValues(t, submitted, len(seen)+left)
				assert.LessOrEqual(t, left, 3)
				assert.Zero(t, holds(t, p))
				assert.False(t, p.Listens())
			})
		}
	}
}

// However Cancel races with the loops and the turns of tasks, each result is gone through once.
func TestFinishedRacesCancel(t *testing.T) {
	for range 20 {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 1000})
		var mu sync.Mutex
		seen := make(map[store.ID]int)
		var loops sync.WaitGroup
		loop := func() {
			for res, err := range p.Finished(t.Context()) {
				assert.NoError(t, err)
				mu.Lock()
				seen[res.ID]++
				mu.Unlock()
			}
		}
		var ids []store.ID
		for i := range 600 {
			if i%200 == 50 {
				loops.Go(loop)
			}
			id := submit(t, p, func(context.Context) (int, error) {
				time.Sleep(time.Duration(rand.IntN(20)) * time.Microsecond)
				return i, nil
			})
			if ids = append(ids, id); i%2 == 0 {
				p.Cancel(ids[rand.IntN(len(ids))], errCause)
			}
		}
		require.NoError(t, p.Stop(t.Context()))
		loops.Wait()
		assert.Len(t, seen, len(ids))
		for id, n := range seen {
			require.Equal(t, 1, n, "of result %d", id)
		}
		assert.Zero(t, holds(t, p))
	}
}

// In a joined pool Finished has the results of the tasks that this pool has submitted, whoever has run them, and
// ends when these have ended.
func TestJoinFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		workers, _ := join(t, memory, func(_ context.Context, in int) (int, error) {
			time.Sleep(time.Duration(in) * time.Second)
			return in, nil
		}, &pool.Options{Workers: 1000, Queue: 16000})
		p, cancel := join(t, memory.Open(), nil, nil)
		others := accepted(t, workers, 1, 2, 3)
		ids := accepted(t, p, 3, 2, 1)
		time.Sleep(time.Minute)
		l := listen(p.Finished(t.Context()), 0)
		assert.Equal(t, ids, l.ids(t), "what is stored, in the order of IDs")
		stored := func() int {
			all, err := p.Results(t.Context())
			require.NoError(t, err)
			return len(all)
		}
		assert.Equal(t, len(others), stored(), "deleted")
		in := []int{}
		for range 100 {
			in = append(in, 300)
		}
		in = append(in, 30, 20, 10)
		more := accepted(t, p, in...)
		time.Sleep(2 * time.Minute)
		want := append(ids, more[102], more[101], more[100])
		assert.Equal(t, want, l.ids(t), "behind 100 tasks that take long")

		breaks := listen(p.Finished(t.Context()), 1)
		time.Sleep(5 * time.Minute)
		require.NoError(t, breaks.returns(t))
		got := l.ids(t)
		assert.Len(t, got, 106, "also the one that the other loop had at hand")
		slices.Sort(got)
		assert.Equal(t, append(ids, more...), got)
		assert.Equal(t, len(others), stored())

		last := accepted(t, p, 300, 300)
		cancel(errCause)
		<-p.Done()
		l.waits(t)
		short, end := context.WithTimeoutCause(t.Context(), time.Second, io.EOF)
		defer end()
		impatient := listen(p.Finished(short), 0)
		time.Sleep(2 * time.Second)
		assert.Equal(t, io.EOF, impatient.last(t).err)
		time.Sleep(2 * time.Hour)
		assert.NoError(t, l.returns(t))
		got = l.ids(t)
		assert.ElementsMatch(t, last, got[106:])
		assert.Equal(t, len(others), stored())
		assert.Empty(t, listen(p.Finished(t.Context()), 0).ids(t))
	})
}

// A joined loop that is left, or whose engine fails, loses nothing.
func TestJoinFinishedIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(0)
		var deleting breakdown
		p, _ := join(t, faulty(memory, enginetest.Faults{Delete: func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
			return deleting.fault(ctx, nil, do)
		}}), doubled, nil)
		ids := accepted(t, p, numbers(200)...)
		time.Sleep(time.Minute)
		assert.Equal(t, ids[:70], listen(p.Finished(t.Context()), 70).ids(t))
		assert.Panics(t, func() {
			for res := range p.Finished(t.Context()) {
				assert.Equal(t, ids[69], res.ID)
				panic("boom")
			}
		})
		deleting.Store(true)
		l := listen(p.Finished(t.Context()), 0)
		last := l.last(t)
		assert.ErrorIs(t, last.err, errDown)
		assert.Len(t, l.pairs, 131+1)
		deleting.Store(false)
		assert.Equal(t, ids[69:], listen(p.Finished(t.Context()), 0).ids(t), "again")
	})
}
