package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// subject is what a history is taken of: a pool, or one that is broken on purpose.
type subject interface {
	Submit(context.Context, int) (store.ID, error)
	Get(context.Context, store.ID) (int, error)
	Results(context.Context) (map[store.ID]store.Result[int], error)
	Wait(context.Context) error
	Stop(context.Context) error
	Resize(int) error
}

// A poolRound is one small pool under load, from New to Stop.
type poolRound struct {
	subject
	st      store.ResultStore[int]
	now     clock
	cancel  context.CancelFunc
	cancels bool

	numbers atomic.Int64  // of jobs
	newest  atomic.Uint64 // the highest ID that Submit is known to have returned

	mu    sync.Mutex
	inner *log[taskCall, taskReply] // what the pool does by itself; guarded by mu
	logs  []*log[taskCall, taskReply]
}

// runPool is one round. The store is used by the pool and by its readers; breaks, if
// it is not nil, puts something that is broken in the place of the pool.
func runPool(k *checker, st store.ResultStore[int], breaks func(*poolRound), now clock, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	clients := 2 + rng.IntN(2)
	r := &poolRound{
		st: st, now: now, cancel: cancel, cancels: rng.IntN(4) == 0,
		inner: newLog[taskCall, taskReply](clients, now, 256),
	}
	p, err := pool.New(ctx, r.task, storedBy{st, r}, &pool.Options{Workers: 1 + rng.IntN(3), Queue: 1 + rng.IntN(6)})
	if err != nil {
		return err
	}
	r.subject = p
	if breaks != nil {
		breaks(r)
	}
	all := make([]*poolClient, clients)
	for i := range all {
		l := newLog[taskCall, taskReply](i, now, 256)
		r.logs = append(r.logs, l)
		all[i] = &poolClient{l, r, rand.New(rand.NewPCG(seed, uint64(i+1)))}
	}
	together(clients, func(i int) { all[i].work() })

	last := all[0]
	last.all(quiet, func() map[store.ID]taskReply {
		if err := r.Stop(context.Background()); err != nil && !r.cancels {
			return map[store.ID]taskReply{0: {verdict: wrong}}
		}
		return nil
	})
	<-p.Done()
	for id := range store.ID(r.newest.Load()) {
		last.get(id + 1)
	}
	r.logs = append(r.logs, r.inner)
	if err := k.check(taskModel(), history(r.named()...)); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// named gives the IDs to the calls of the task function, which knows the number of
// its job only.
func (r *poolRound) named() []*log[taskCall, taskReply] {
	ids := make(map[int]store.ID)
	for _, l := range r.logs {
		for _, op := range l.ops {
			if op.in.kind == accepted {
				ids[op.in.number] = op.in.id
			}
		}
	}
	for i := range r.inner.ops {
		if in := &r.inner.ops[i].in; in.kind == ran {
			in.id = ids[in.number]
		}
	}
	return r.logs
}

// task is the task function.
func (r *poolRound) task(_ context.Context, number int) (int, error) {
	call := r.now()
	defer func() { r.note(taskCall{kind: ran, number: number}, taskReply{}, call, r.now()) }()
	for range number % 4 {
		runtime.Gosched()
	}
	return do(number)
}

func (r *poolRound) note(in taskCall, out taskReply, call, ret int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inner.add(in, out, call, ret)
}

// storedBy notes what the pool puts.
type storedBy struct {
	store.ResultStore[int]
	r *poolRound
}

// Put implements [store.ResultStore].
func (s storedBy) Put(ctx context.Context, res store.Result[int]) error {
	call := s.r.now()
	err := s.ResultStore.Put(ctx, res)
	out := outcomeOf(res.Value, res.Err)
	if err != nil {
		out = taskReply{verdict: wrong}
	}
	s.r.note(taskCall{kind: stored, id: res.ID}, out, call, s.r.now())
	return err
}

// poolClient is one goroutine that uses the pool.
type poolClient struct {
	*log[taskCall, taskReply]
	r   *poolRound
	rng *rand.Rand
}

func (c *poolClient) work() {
	for range 12 {
		switch n := c.rng.IntN(40); {
		case n < 16:
			c.submit()
		case n < 26:
			c.get(c.any())
		case n < 33:
			c.del(c.any())
		case n < 36:
			c.list()
		case n < 38:
			c.all(quiet, func() map[store.ID]taskReply {
				if err := c.r.Wait(context.Background()); err != nil {
					return map[store.ID]taskReply{0: {verdict: wrong}}
				}
				return nil
			})
		case n < 39:
			_ = c.r.Resize(1 + c.rng.IntN(3)) // refused once the pool is cancelled
		case c.r.cancels:
			c.r.cancel()
		}
	}
}

// any picks an ID: one of the newest, or one that may not be given out yet.
func (c *poolClient) any() store.ID {
	newest := int(c.r.newest.Load())
	return store.ID(max(1, newest+2-c.rng.IntN(6)))
}

func (c *poolClient) submit() {
	number := int(c.r.numbers.Add(1)) + 4
	call := c.now()
	id, err := c.r.Submit(context.Background(), number)
	ret := c.now()
	switch {
	case err == nil:
		c.add(taskCall{accepted, id, number}, taskReply{}, call, ret)
		for old := c.r.newest.Load(); uint64(id) > old && !c.r.newest.CompareAndSwap(old, uint64(id)); {
			old = c.r.newest.Load()
		}
	case !errors.Is(err, pool.ErrClosed) || !c.r.cancels:
		c.add(taskCall{kind: accepted}, taskReply{verdict: wrong}, call, ret)
	}
}

func (c *poolClient) get(id store.ID) {
	c.do(taskCall{kind: got, id: id}, func() taskReply {
		return outcomeOf(c.r.Get(context.Background(), id))
	})
}

func (c *poolClient) del(id store.ID) {
	c.do(taskCall{kind: deleted, id: id}, func() taskReply {
		_ = c.r.st.Delete(context.Background(), id) // no store of ours returns an error
		return taskReply{}
	})
}

func (c *poolClient) list() {
	c.all(listed, func() map[store.ID]taskReply {
		results, err := c.r.Results(context.Background())
		replies := make(map[store.ID]taskReply)
		for id, res := range results {
			replies[id] = outcomeOf(res.Value, res.Err)
			if res.ID != id {
				replies[id] = taskReply{verdict: wrong}
			}
		}
		if err != nil {
			replies[0] = taskReply{verdict: wrong}
		}
		return replies
	})
}

// all is an operation on every task there is or may come to be meanwhile. Those of
// which f says nothing are missing.
func (c *poolClient) all(kind taskKind, f func() map[store.ID]taskReply) {
	call := c.now()
	replies := f()
	ret := c.now()
	for id := range store.ID(c.r.newest.Load()) {
		if _, ok := replies[id+1]; !ok {
			c.add(taskCall{kind: kind, id: id + 1}, taskReply{verdict: missing}, call, ret)
		}
	}
	for id, reply := range replies {
		c.add(taskCall{kind: kind, id: id}, reply, call, ret)
	}
}
