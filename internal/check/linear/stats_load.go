package linear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// counted is what a history is taken of: a pool, or one that is broken on purpose.
type counted interface {
	TrySubmit(int) (store.ID, error)
	Stats() pool.Stats
	Resize(int) error
	Wait(context.Context) error
	Stop(context.Context) error
}

// A statsRound is one small pool, from New to Stop.
type statsRound struct {
	counted
	now     clock
	numbers atomic.Int64
	logs    []*log[countCall, struct{}]

	mu   sync.Mutex
	jobs map[int]*jobTimes // by number; guarded by mu
}

// jobTimes is what is known of a job that is a step of its task.
type jobTimes struct {
	id                    store.ID
	submit, started, over int64
}

// statsClient is one goroutine of a round. The first one resizes and stops.
type statsClient struct {
	*log[countCall, struct{}]
	r   *statsRound
	rng *rand.Rand
}

// runStats is one round. breaks, if it is not nil, puts something that is broken in
// the place of the pool.
func runStats(k *checker, st store.ResultStore[int], breaks func(counted) counted, now clock, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	clients, capacity, workers := 2+rng.IntN(2), 1+rng.IntN(3), 1+rng.IntN(2)
	r := &statsRound{now: now, jobs: make(map[int]*jobTimes)}
	p, err := pool.New(context.Background(), r.task, noting{st, r}, &pool.Options{Workers: workers, Queue: capacity})
	if err != nil {
		return err
	}
	r.counted = p
	if breaks != nil {
		r.counted = breaks(p)
	}
	all := make([]*statsClient, clients)
	for i := range all {
		l := newLog[countCall, struct{}](i, now, 64)
		r.logs = append(r.logs, l)
		all[i] = &statsClient{l, r, rand.New(rand.NewPCG(seed, uint64(i+1)))}
	}
	together(clients, func(i int) { all[i].work(i == 0) })
	<-p.Done()
	r.logs = append(r.logs, r.steps(clients))
	if err := k.check(countModel(capacity, workers), history(r.logs...)); err != nil {
		return fmt.Errorf("seed %d, capacity %d, workers %d: %w", seed, capacity, workers, err)
	}
	return nil
}

// steps is what the tasks have gone through.
func (r *statsRound) steps(client int) *log[countCall, struct{}] {
	l := newLog[countCall, struct{}](client, r.now, 32)
	for number, j := range r.jobs {
		kind := succeeded
		switch number % 5 {
		case 1:
			kind = failed
		case 2:
			kind = panicked
		}
		if j.started != 0 {
			l.add(countCall{kind: started, id: uint64(j.id)}, struct{}{}, j.submit, j.started)
		}
		if j.over != 0 {
			l.add(countCall{kind: kind, id: uint64(j.id)}, struct{}{}, j.over, math.MaxInt64)
		}
	}
	return l
}

// job calls f with what is known of a job.
func (r *statsRound) job(number int, f func(*jobTimes)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs[number] == nil {
		r.jobs[number] = new(jobTimes)
	}
	f(r.jobs[number])
}

func (r *statsRound) task(_ context.Context, number int) (int, error) {
	now := r.now()
	r.job(number, func(j *jobTimes) { j.started = now })
	for range number % 4 {
		runtime.Gosched()
	}
	return do(number)
}

// noting notes when the pool has put a result.
type noting struct {
	store.ResultStore[int]
	r *statsRound
}

// Put implements [store.ResultStore].
func (s noting) Put(ctx context.Context, res store.Result[int]) error {
	err := s.ResultStore.Put(ctx, res)
	number := outcomeOf(res.Value, res.Err).number
	now := s.r.now()
	s.r.job(number, func(j *jobTimes) { j.over = now })
	return err
}

func (c *statsClient) work(first bool) {
	manned := true
	for range 6 {
		switch n := c.rng.IntN(12); {
		case n < 5:
			c.submit()
		case n < 9 || !first:
			c.step(func() countCall { return countCall{kind: looked, stats: c.r.Stats()} })
		case n < 11:
			n := c.rng.IntN(3)
			manned = n > 0
			c.resize(n)
		case manned: // or nobody may be left to end it
			c.step(func() countCall { return ifNil(c.r.Wait(context.Background()), waited) })
		}
	}
	if !first {
		return
	}
	if !manned {
		c.resize(1)
	}
	call := c.now()
	out := ifNil(c.r.Stop(context.Background()), waited)
	ret := c.now()
	c.add(countCall{kind: closed}, struct{}{}, call, ret)
	c.add(out, struct{}{}, call, ret)
}

// step does an operation and writes it down.
func (c *statsClient) step(f func() countCall) {
	call := c.now()
	in := f()
	c.add(in, struct{}{}, call, c.now())
}

func ifNil(err error, kind countKind) countCall {
	if err != nil {
		kind = bad
	}
	return countCall{kind: kind}
}

func (c *statsClient) resize(n int) {
	c.step(func() countCall {
		call := ifNil(c.r.Resize(n), resized)
		call.n = n
		return call
	})
}

func (c *statsClient) submit() {
	number := int(c.r.numbers.Add(1)) + 4
	c.step(func() countCall {
		call := c.now()
		id, err := c.r.TrySubmit(number)
		switch {
		case err == nil:
			c.r.job(number, func(j *jobTimes) { j.id, j.submit = id, call })
			return countCall{kind: submitted, id: uint64(id)}
		case errors.Is(err, pool.ErrQueueFull):
			return countCall{kind: refused}
		case errors.Is(err, pool.ErrNoWorkers):
			return countCall{kind: unmanned}
		case errors.Is(err, pool.ErrClosed):
			return countCall{kind: tooLate}
		default:
			return countCall{kind: bad}
		}
	})
}
