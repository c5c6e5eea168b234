package embedded_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
)

// What holds of several tasks in one message, beyond the contract.

// messages returns how many were ever stored in a stream.
func (p *testPool) messages(part string) int {
	st, err := p.js.Stream(p.tb.Context(), p.stream(part))
	require.NoError(p.tb, err)
	info := st.CachedInfo()
	return int(info.State.LastSeq - max(info.Config.FirstSeq, 1) + 1)
}

// TestPushesShareMessages has callers push one task each, at the same time.
func TestPushesShareMessages(t *testing.T) {
	const callers, each = 64, 50
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 64})
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				ids := push(t, p, fmt.Sprintf("%d-%d", i, j), 1)
				mu.Lock()
				assert.False(t, seen[ids[0]])
				seen[ids[0]] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Len(t, seen, callers*each)
	assert.Less(t, p.messages("tasks"), callers*each/4)
	for _, d := range pull(t, p, callers*each) {
		assert.True(t, seen[d.ID])
	}
}

// TestSpareTasksAreGivenBack pulls one of several tasks in a message. The others are not kept for longer than a
// moment: another handle gets them, as first deliveries.
func TestSpareTasksAreGivenBack(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 16})
	ids := push(t, p, "a", 16)
	first := pull(t, p, 1)
	assert.Equal(t, ids[:1], idsOf(first))
	next := pull(t, p, 2)
	assert.Equal(t, ids[1:3], idsOf(next), "they are here already")
	begun := time.Now()
	others := pull(t, p.other(&jetstream.Options{Run: 16}), 13)
	assert.Less(t, time.Since(begun), 5*time.Second)
	assert.ElementsMatch(t, ids[3:], idsOf(others))
	for _, d := range others {
		assert.Equal(t, 1, d.Attempt)
	}
	for _, id := range ids { // whoever has them
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := p.Wait(ctx, id)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.NoError(t, p.Ack(t.Context(), slices.Concat(first, next)))
	assert.NotZero(t, size(t, p))
	require.NoError(t, p.Ack(t.Context(), others))
	awaitSize(t, p, 0)
	_, err := p.Wait(t.Context(), ids[15])
	require.ErrorIs(t, err, engine.ErrNotFound)
}

// TestFullQueueTakesTasksBack gives tasks back to a queue that is full.
func TestFullQueueTakesTasksBack(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 4, QueueBound: 2})
	ids := push(t, p, "a", 8)
	_, err := p.Push(t.Context(), "b", tasks(1))
	require.ErrorIs(t, err, engine.ErrFull)
	ds := pull(t, p, 8)
	require.NoError(t, p.Nack(t.Context(), []engine.Delivery{ds[0], ds[5]}))
	assert.ElementsMatch(t, []uint64{ids[0], ids[5]}, idsOf(pull(t, p, 2)))
}

// TestRunIsSavedByMany has two handles save the results of the same run at once, in parts that overlap. Each ID has one
// record, and it is that of the first who was told so.
func TestRunIsSavedByMany(t *testing.T) {
	s := start(t, fast)
	p := newPool(t, s.url, &jetstream.Options{Run: 256})
	engines := []*jetstream.Engine{p.Engine, p.other(nil), p.other(nil)}
	ids := push(t, p, "a", 200)
	var wg sync.WaitGroup
	for i, e := range engines {
		wg.Go(func() {
			for part := range slices.Chunk(ids, 7+5*i) {
				recs := make([]engine.Record, len(part))
				for k, id := range part {
					recs[k] = engine.Record{ID: id, Data: fmt.Appendf(nil, "%d of %d", i, id)}
				}
				assert.NoError(t, e.Save(t.Context(), recs))
				for _, rec := range recs {
					data, err := engines[(i+1)%len(engines)].Load(t.Context(), rec.ID)
					assert.NoError(t, err)
					assert.Contains(t, string(data), fmt.Sprintf(" of %d", rec.ID))
				}
			}
		})
	}
	wg.Wait()
	n := 0
	for rec, err := range p.All(t.Context()) {
		require.NoError(t, err)
		require.Contains(t, ids, rec.ID)
		assert.Equal(t, string(rec.Data), load(t, engines[n%3], rec.ID))
		n++
	}
	assert.Equal(t, len(ids), n)
}

// TestDeleteOfSome deletes some results of a run, while another handle saves others of it. What is left is there, also
// if it does not fit into one message.
func TestDeleteOfSome(t *testing.T) {
	s := start(t, fast)
	for _, size := range []int{10, 40_000} {
		p := newPool(t, s.url, &jetstream.Options{Run: 256})
		other := p.other(nil)
		ids := push(t, p, "a", 40)
		save := func(e *jetstream.Engine, ids ...uint64) {
			var recs []engine.Record
			for _, id := range ids {
				recs = append(recs, engine.Record{ID: id, Data: bytes.Repeat([]byte{byte(id)}, size)})
			}
			assert.NoError(t, e.Save(t.Context(), recs))
		}
		save(p.Engine, ids[:20]...)
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, id := range ids[20:] {
				save(other, id)
			}
		})
		for _, id := range ids[:10] {
			require.NoError(t, p.Delete(t.Context(), []uint64{id, id, 1}))
			_, err := other.Load(t.Context(), id)
			require.ErrorIs(t, err, engine.ErrNotFound)
		}
		wg.Wait()
		got := all(t, p)
		assert.Len(t, got, 30)
		for _, id := range ids[10:] {
			assert.Equal(t, size, bytes.Count([]byte(got[id]), []byte{byte(id)}))
		}
		require.NoError(t, other.Delete(t.Context(), ids))
		assert.Empty(t, all(t, p))
		st, err := p.js.Stream(t.Context(), p.stream("results"))
		require.NoError(t, err)
		assert.Zero(t, st.CachedInfo().State.Msgs)
	}
}

// TestRunsFollowTheWork has a pool of which nobody says how many tasks a message has: slow ones are alone, and of quick
// ones there are many in each.
func TestRunsFollowTheWork(t *testing.T) {
	p := newPool(t, start(t, fast).url, nil)
	run := func(n int, each time.Duration) (messages int) {
		before := p.messages("tasks")
		w, err := pool.Join(t.Context(), func(_ context.Context, n int) (int, error) {
			time.Sleep(each)
			return n, nil
		}, engine.Engine(p.Engine), &pool.Options{Workers: 2})
		require.NoError(t, err)
		for part := range slices.Chunk(make([]int, n), 200) {
			_, err := w.SubmitAll(t.Context(), part)
			require.NoError(t, err)
		}
		require.NoError(t, w.Wait(t.Context()))
		require.NoError(t, w.Stop(t.Context()))
		return p.messages("tasks") - before
	}
	assert.Equal(t, 20, run(20, 100*time.Millisecond))
	quick := run(20_000, 0)
	assert.Less(t, quick, 4000)
	time.Sleep(3 * time.Second) // nobody knows any more
	assert.Equal(t, 20, run(20, 0))
}

// TestRunsOfOtherSizes has handles with other options read what each of them writes.
func TestRunsOfOtherSizes(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 1})
	other := p.other(&jetstream.Options{Run: 100})
	ids := slices.Concat(push(t, p, "a", 10), push(t, other, "b", 150))
	ds := slices.Concat(pull(t, p, 80), pull(t, other, 80))
	assert.ElementsMatch(t, ids, idsOf(ds))
	for i, d := range ds {
		require.NoError(t, []*jetstream.Engine{p.Engine, other}[i%2].Save(t.Context(), record(d.ID)))
	}
	require.NoError(t, p.Ack(t.Context(), ds))
	awaitSize(t, p, 0)
	assert.Len(t, all(t, other), 160)
}

// TestDeletedIsNotRunAgain deletes a result while another task of the same message runs. When the message is delivered
// again, for that one, the other does not come, and a result of it that is late is not stored.
func TestDeletedIsNotRunAgain(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 16, Lease: 300 * time.Millisecond})
	ids := push(t, p, "a", 3)
	ds := pull(t, p, 3)
	require.NoError(t, p.Save(t.Context(), record(ids[0])))
	require.NoError(t, p.Ack(t.Context(), ds[:1]))
	require.NoError(t, p.Delete(t.Context(), ids[:1]))
	assert.Empty(t, all(t, p))
	_, err := p.Load(t.Context(), ids[0])
	require.ErrorIs(t, err, engine.ErrNotFound)
	other := p.other(nil)
	again := pull(t, other, 2) // when the lease has ended
	assert.Equal(t, ids[1:], idsOf(again))
	require.NoError(t, other.Save(t.Context(), record(ids[0])))
	require.NoError(t, other.Save(t.Context(), record(ids[1])))
	assert.Len(t, all(t, p), 1)
	require.NoError(t, other.Delete(t.Context(), ids[:2]))
	require.NoError(t, other.Save(t.Context(), record(ids[2])))
	require.NoError(t, other.Ack(t.Context(), again))
	awaitSize(t, p, 0)
	require.NoError(t, p.Delete(t.Context(), ids[2:]))
	st, err := p.js.Stream(t.Context(), p.stream("results"))
	require.NoError(t, err)
	assert.Zero(t, st.CachedInfo().State.Msgs, "nothing is left of a message whose results are all deleted")
}

// TestDeleteOfNothing deletes what is not there, while others save what belongs to the same message.
func TestDeleteOfNothing(t *testing.T) {
	p := newPool(t, start(t, fast).url, nil)
	const messages = 200
	var wg sync.WaitGroup
	for seq := uint64(1); seq <= messages; seq++ {
		wg.Go(func() { assert.NoError(t, p.Delete(t.Context(), []uint64{seq << 10})) })
		wg.Go(func() { assert.NoError(t, p.Save(t.Context(), record(seq<<10|1))) })
	}
	wg.Wait()
	assert.Len(t, all(t, p), messages)
}

// TestTwoDeliveriesAreOneTask gives back tasks that this handle has got twice, since the lease had ended.
func TestTwoDeliveriesAreOneTask(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 16, Lease: 300 * time.Millisecond})
	push(t, p, "a", 4)
	ds := pull(t, p, 4)
	twice := slices.Concat(ds, pull(t, p, 4))
	before := p.messages("tasks")
	require.NoError(t, p.NackAfter(t.Context(), []engine.Delivery{twice[0], twice[4], twice[1], twice[5]}, 0))
	assert.Equal(t, before+1, p.messages("tasks"), "one for both")
	again := pull(t, p, 2)
	for _, d := range again {
		assert.Equal(t, 1, d.Runs)
	}
	require.NoError(t, p.Ack(t.Context(), slices.Concat(again, twice[2:4], twice[6:])))
	awaitSize(t, p, 0)
}

// TestDamagedLastResult damages the last of two messages with results of a run. What was in it can be saved again,
// and what was in the other can be read and deleted.
func TestDamagedLastResult(t *testing.T) {
	s := newStandalone(t, "")
	const id = 5 << 10
	s.during(t, nil, func(e *jetstream.Engine) {
		require.NoError(t, e.Save(t.Context(), record(id)))
		require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: id + 1, Data: []byte("the second one")}}))
	})
	flip(t, s.dir, "the second one", "the second one", 3)
	s.during(t, nil, func(e *jetstream.Engine) {
		assert.Equal(t, "r", load(t, e, id))
		_, err := e.Load(t.Context(), id+1)
		require.ErrorContains(t, err, "damaged")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, e.Save(ctx, record(id+1)))
		assert.Equal(t, "r", load(t, e, id+1))
		require.ErrorContains(t, e.Delete(ctx, []uint64{id}), "damaged", "it would remove what may be restored")
		assert.Equal(t, "r", load(t, e, id))
	})
}

// TestOtherFormats has messages in the streams that another version may have written. Tasks stay in the queue; results are
// an error of their task, and hide no others.
func TestOtherFormats(t *testing.T) {
	p := newPool(t, start(t, fast).url, nil)
	publish := func(subject, data string) {
		_, err := p.js.Publish(t.Context(), "resultpool."+p.name+"."+subject, []byte(data))
		require.NoError(t, err)
	}
	publish("task", "\x02t")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := p.Pull(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, 1, size(t, p))

	require.NoError(t, p.Save(t.Context(), record(7<<10)))
	publish("result.7", "\x02r")
	require.NoError(t, p.Save(t.Context(), record(8<<10)))
	assert.Equal(t, "r", load(t, p, 7<<10))
	_, err = p.Load(t.Context(), 7<<10|1)
	require.ErrorContains(t, err, "its format is not known")
	require.NoError(t, p.other(nil).Save(t.Context(), record(7<<10|2)))
	n, odd := 0, 0
	for _, err := range p.All(t.Context()) {
		if n++; err != nil {
			odd++
			assert.ErrorContains(t, err, "its format is not known")
		}
	}
	assert.Equal(t, []int{4, 1}, []int{n, odd})
}

// TestDeletesRace has two handles delete results of the same messages at once. None comes back.
func TestDeletesRace(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 32})
	engines := []*jetstream.Engine{p.Engine, p.other(nil)}
	for round := range 10 {
		ids := push(t, p, fmt.Sprint("a", round), 32)
		for part := range slices.Chunk(ids, 5) {
			var recs []engine.Record
			for _, id := range part {
				recs = append(recs, record(id)...)
			}
			require.NoError(t, p.Save(t.Context(), recs))
		}
		var wg sync.WaitGroup
		for i, e := range engines {
			wg.Go(func() {
				for k := i; k < 30; k += 2 {
					assert.NoError(t, e.Delete(t.Context(), ids[k:k+1]))
				}
			})
		}
		wg.Wait()
		got := all(t, p)
		assert.Len(t, got, 2)
		require.NoError(t, p.Delete(t.Context(), ids))
	}
}

// TestDeleteOfAllRacesDeletes has a handle delete all results of a message while another one deletes some, and so stores
// the others anew. None comes back.
func TestDeleteOfAllRacesDeletes(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 8})
	other := p.other(nil)
	for round := range 100 {
		ids := push(t, p, fmt.Sprint("a", round), 8)
		for part := range slices.Chunk(ids, 2) {
			require.NoError(t, p.Save(t.Context(), slices.Concat(record(part[0]), record(part[1]))))
		}
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, p.Delete(t.Context(), ids)) })
		wg.Go(func() { assert.NoError(t, other.Delete(t.Context(), ids[:1])) })
		wg.Wait()
		require.Empty(t, all(t, p))
	}
}

// TestDeletedIsNotRunAgainInARest is TestDeletedIsNotRunAgain for tasks that were given back.
func TestDeletedIsNotRunAgainInARest(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 16, Lease: 500 * time.Millisecond})
	ids := push(t, p, "a", 3)
	first := pull(t, p, 1)
	other := p.other(nil)
	rest := pull(t, other, 2)
	assert.Equal(t, ids[1:], idsOf(rest))
	for _, d := range slices.Concat(first, rest[:1]) {
		require.NoError(t, other.Save(t.Context(), record(d.ID)))
	}
	require.NoError(t, p.Ack(t.Context(), first))
	require.NoError(t, other.Ack(t.Context(), rest[:1]))
	require.NoError(t, p.Delete(t.Context(), ids[:2]))
	again := pull(t, p, 1)
	assert.Equal(t, ids[2:], idsOf(again))
	require.NoError(t, p.Ack(t.Context(), again))
	awaitSize(t, p, 0)
}

// TestSmallQueueRunsAgain has more tasks ask to run again than there is room for messages.
func TestSmallQueueRunsAgain(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 4, QueueBound: 1})
	push(t, p, "a", 4)
	for n := range 4 {
		for _, d := range pull(t, p, 4) {
			assert.Equal(t, n, d.Runs)
			require.NoError(t, p.NackAfter(t.Context(), []engine.Delivery{d}, 5*time.Millisecond))
		}
	}
}

// TestResultsOfOneRunAreGathered saves many results of a message one by one, from two handles.
func TestResultsOfOneRunAreGathered(t *testing.T) {
	p := newPool(t, start(t, fast).url, &jetstream.Options{Run: 256})
	engines := []*jetstream.Engine{p.Engine, p.other(nil)}
	ids := push(t, p, "a", 200)
	var wg sync.WaitGroup
	for i, e := range engines {
		wg.Go(func() {
			for k := i; k < len(ids); k += 2 {
				assert.NoError(t, e.Save(t.Context(), record(ids[k])))
			}
		})
	}
	wg.Wait()
	st, err := p.js.Stream(t.Context(), p.stream("results"))
	require.NoError(t, err)
	assert.Less(t, st.CachedInfo().State.Msgs, uint64(60))
	assert.Len(t, all(t, p), len(ids))
	for _, id := range ids {
		assert.Equal(t, "r", load(t, engines[1], id))
	}
	require.NoError(t, engines[1].Delete(t.Context(), ids))
	assert.Empty(t, all(t, p))
}
