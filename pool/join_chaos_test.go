package pool_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

var chaosRounds = flag.Int("chaos", 20, "rounds of TestJoinChaos")
var chaosSeed = flag.Uint64("chaosseed", 1, "first seed of TestJoinChaos")

// A disorder is an engine whose calls fail, are lost before or after they were made, or are slow, until it is calm. All
// that it has are drawn from one source, rnd, which mu guards.
type disorder struct {
	*enginetest.Faulty
	memory *enginetest.Memory
	calm   *atomic.Bool
	rate   float64
	mu     *sync.Mutex
	rnd    *rand.Rand
}

// open returns another handle on the same data.
func (c disorder) open() *disorder {
	meddle := c.meddle
	c.Faulty = enginetest.WithFaults(c.memory.Open(), enginetest.Faults{
		Ack: meddle, Nack: meddle, Extend: meddle, Save: meddle, Load: meddle, MarkStart: meddle,
	})
	return &c
}

func (c *disorder) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.Float64()
}

// meddle makes a call, or not.
func (c *disorder) meddle(ctx context.Context, ids []uint64, do func(context.Context) error) error {
	if c.calm.Load() || c.float() > c.rate {
		return do(ctx)
	}
	switch x := c.float(); {
	case x < 0.3:
		return errEngineDown
	case x < 0.6:
		_ = do(ctx)
		return errEngineDown
	case x < 0.7:
		return hang(ctx, ids, do)
	case x < 0.8:
		_ = do(ctx)
		return hang(ctx, ids, do)
	default:
		sleepUntil(ctx, time.Duration(c.float()*float64(2*time.Second)))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return do(ctx)
	}
}

// Push may say of some of its tasks that they are there, and of others not, beside an error.
func (c *disorder) Push(ctx context.Context, key string, tasks [][]byte) (ids []uint64, err error) {
	err = c.meddle(ctx, nil, func(ctx context.Context) (err error) {
		ids, err = c.Faulty.Push(ctx, key, tasks)
		return err
	})
	if err != nil && !errors.Is(err, engine.ErrFull) {
		for i := range ids {
			if c.float() < 0.5 {
				ids[i] = 0
			}
		}
	}
	return ids, err
}

// Pull may lose some of the tasks that it has delivered.
func (c *disorder) Pull(ctx context.Context, n int) (ds []engine.Delivery, err error) {
	if !c.calm.Load() && c.float() < c.rate {
		if c.float() < 0.5 {
			return nil, errEngineDown
		}
		ds, _ := c.Faulty.Pull(ctx, n)
		return ds[:min(len(ds), int(c.float()*float64(len(ds)+1)))], errEngineDown
	}
	return c.Faulty.Pull(ctx, n)
}

// Pools come and go on an engine that fails in every way. In the end each task has its
// result, and nothing else is there.
func TestJoinChaos(t *testing.T) {
	for i := range *chaosRounds {
		seed := *chaosSeed + uint64(i)
		synctest.Test(t, func(t *testing.T) { chaosRound(t, seed) })
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

func chaosRound(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	var mu sync.Mutex
	var calm atomic.Bool
	mem := enginetest.NewMemory(&enginetest.MemoryOptions{
		QueueBound: 20 + rnd.IntN(500), Lease: time.Duration(1+rnd.IntN(20)) * time.Second})
	rate := []float64{0, 0.01, 0.1, 0.3}[rnd.IntN(4)]
	open := disorder{memory: mem, calm: &calm, rate: rate, mu: &mu, rnd: rnd}.open
	var ran counted
	longest := []time.Duration{0, time.Millisecond, time.Second, 20 * time.Second}[rnd.IntN(4)]
	fn := func(ctx context.Context, in int) (int, error) {
		d := 1 + time.Duration(in)*longest/1000                                   // not 0, for the race detector: go.dev/issue/78156
		if this, _ := pool.TaskFromContext(ctx); in%5 == 1 && this.Attempt == 1 { // in each process
			return 0, pool.RetryAfter(d, errTask)
		}
		ran.ran(in)
		if in%3 == 0 {
			time.Sleep(d)
			return 2 * in, nil
		}
		select {
		case <-time.After(d):
			return 2 * in, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	type accepted struct {
		id store.ID
		in int
	}
	var done []accepted
	cancelled := make(map[store.ID]bool) // by a Cancel that has said true
	var unconfirmed int
	var pools sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	for range 1 + rnd.IntN(3) { // machines
		pools.Go(func() {
			for ended.Err() == nil {
				mu.Lock()
				workers, queue := 1+rnd.IntN(8), rnd.IntN(20)
				life := time.Duration(rnd.IntN(40_000)) * time.Millisecond
				gentle, resize := rnd.IntN(2) == 0, rnd.IntN(9)
				mu.Unlock()
				ctx, cancel := context.WithCancel(context.Background())
				p, err := pool.Join(ctx, fn, open(), &pool.Options{Workers: workers, Queue: queue})
				if err != nil {
					cancel()
					t.Error(err)
					return
				}
				for range 2 {
					sleepUntil(ended, life/2)
					_ = p.Resize(resize)
					for _, id := range p.Running() {
						mu.Lock() // over Cancel: who finds a result that says so finds it here
						if rnd.IntN(30) == 0 && p.Cancel(id, errCause) {
							cancelled[id] = true
						}
						mu.Unlock()
					}
				}
				endInChaos(t, p, cancel, gentle, &calm)
			}
		})
	}
	submitter, err := pool.Join[int, int](t.Context(), nil, open(), nil)
	require.NoError(t, err)
	var submits sync.WaitGroup
	var next atomic.Int64
	for range 3 {
		submits.Go(func() {
			for next.Load() < 1000 {
				mu.Lock()
				n, patience := 1+rnd.IntN(300), time.Duration(rnd.IntN(20_000))*time.Millisecond
				mu.Unlock()
				to := next.Add(int64(n))
				in := make([]int, n)
				for i := range in {
					in[i] = int(to) - n + i
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				ids, err := submitter.SubmitAll(ctx, in)
				cancel()
				mu.Lock()
				for i, id := range ids {
					done = append(done, accepted{id, in[i]})
				}
				if errors.Is(err, pool.ErrUnconfirmed) {
					unconfirmed += n - len(ids)
				}
				mu.Unlock()
			}
		})
	}
	submits.Wait()
	time.Sleep(20 * time.Second)
	calm.Store(true)
	last, err := pool.Join(t.Context(), fn, open(), nil)
	require.NoError(t, err)
	wait, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	if err := last.Wait(wait); err != nil {
		t.Error("Wait: ", err)
	}
	end()
	pools.Wait()
	require.NoError(t, last.Stop(t.Context()))
	inputs := make(map[store.ID]int)
	var ids []store.ID
	for _, a := range done {
		inputs[a.id] = a.in
		ids = append(ids, a.id)
	}
	check := func(res store.Result[int], err error) bool {
		in, found := inputs[res.ID]
		isGood := res.Err == nil && res.Value == 2*in
		if cancelled[res.ID] && res.Err != nil { // before, in or between its runs
			isGood = errors.Is(res.Err, pool.ErrNotRun) || errors.Is(res.Err, context.Canceled) ||
				res.Err.Error() == errTask.Error()+": "+errCause.Error()
		}
		if err != nil || !found || !isGood {
			t.Errorf("task %d (%d, cancelled: %v): %+v %v", res.ID, in, cancelled[res.ID], res, err)
		}
		return !t.Failed()
	}
	for _, a := range done[:min(len(done), 100)] {
		res, state, err := last.Peek(t.Context(), a.id)
		if state != pool.Ended || !check(res, err) {
			t.Error("Peek of task ", a.id, " says ", state)
			break
		}
	}
	got := 0
	for res, err := range last.GetAll(t.Context(), ids) {
		if got++; !check(res, err) {
			break
		}
	}
	all, err := last.Results(t.Context())
	require.NoError(t, err)
	if len(all) < len(done) || len(all) > len(done)+unconfirmed {
		t.Errorf("%d results, %d accepted, %d unconfirmed", len(all), len(done), unconfirmed)
	}
	require.NoError(t, submitter.Stop(t.Context()))
	finished := 0
	for res, err := range submitter.Finished(t.Context()) {
		if finished++; !check(res, err) {
			break
		}
	}
	rest, err := last.Results(t.Context())
	require.NoError(t, err)
	if got != len(done) || finished != len(done) || len(rest) != len(all)-len(done) {
		t.Errorf("%d accepted, GetAll has %d, Finished %d of them; %d of %d results are left", len(done), got, finished, len(rest), len(all))
	}
	if rate == 0 {
		for i := range 1300 {
			if n := ran.times(i); n > 1 && i%3 == 0 {
				t.Errorf("task %d ran %d times without reason", i, n)
				break
			}
		}
	}
	if testing.Verbose() {
		t.Log("seed", seed, "rate", rate, "longest", longest, "accepted", len(done), "unconfirmed", unconfirmed, "results", len(all))
	}
}

// endInChaos stops p, if it is gentle, and cancels it. That takes a while at most, and hands back results only.
func endInChaos(t *testing.T, p *pool.Pool[int, int], cancel func(), gentle bool, calm *atomic.Bool) {
	begun := time.Now()
	if gentle {
		stopping, stop := context.WithTimeout(context.Background(), time.Minute)
		err := p.Stop(stopping)
		stop()
		if err != nil && calm.Load() {
			t.Error("Stop: ", err)
		}
	}
	cancel()
	<-p.Done()
	if d := time.Since(begun); d > time.Minute+45*time.Second {
		t.Error("the end took ", d)
	}
	var unsaved *pool.UnsavedError[int]
	if errors.As(p.Stop(context.Background()), &unsaved) {
		for _, res := range unsaved.Results {
			if res.Err != nil && !errors.Is(res.Err, errCause) && !errors.Is(res.Err, context.Canceled) { // it was not called off
				t.Error("unsaved: ", res.Err)
			}
		}
	}
	s := p.Stats()
	if s.Submitted != s.Succeeded+s.Failed+s.Panicked+s.NotRun || s.Queued+s.Running > 0 {
		t.Errorf("%+v", s)
	}
}

func sleepUntil(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(max(1, d)):
	case <-ctx.Done():
	}
}
