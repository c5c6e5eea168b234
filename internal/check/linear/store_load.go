package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// A storeLoad is a way to use a store: what is in it at first, and what some
// goroutines do then. Each round of it has a store of its own and gives a history.
type storeLoad struct {
	name    string
	prepare func(*storeRound)
	work    func(*storeRound, *storeClient)
	loops   bool // one goroutine more loops over All
}

// storeLoads are those that every store has to stand.
func storeLoads() []storeLoad {
	return []storeLoad{
		{name: "hot", prepare: hotIDs, work: hammer},
		{name: "retiring", prepare: lastOfSegment, work: hammer},
		{name: "growing", prepare: rowOfIDs, work: goAlong, loops: true},
		{name: "looping", prepare: residents, work: hammer, loops: true},
	}
}

// A storeRound is one store under load.
type storeRound struct {
	st  store.ResultStore[int]
	rng *rand.Rand // of who prepares
	now clock

	logs  []*log[storeCall, storeReply]
	first store.ID // the IDs that are used are those from here on
	n     int
	next  atomic.Int64 // of goAlong: how many of them are used so far
	step  lockstep
	left  atomic.Int64 // clients that have not ended
	twice atomic.Pointer[string]
}

// storeClient is one goroutine of a round.
type storeClient struct {
	*log[storeCall, storeReply]
	st      store.ResultStore[int]
	rng     *rand.Rand
	version int // the last one it has put
	stride  int // versions of different clients differ
}

// run is one round.
func (l storeLoad) run(k *checker, st store.ResultStore[int], now clock, seed uint64) error {
	r := &storeRound{st: st, rng: rand.New(rand.NewPCG(seed, 0)), now: now}
	l.prepare(r)
	clients := 2 + r.rng.IntN(3)
	r.left.Store(int64(clients))
	if r.rng.IntN(2) == 0 {
		r.step.n = int64(clients)
	}
	goroutines := clients
	if l.loops {
		goroutines++
	}
	all := make([]*storeClient, goroutines)
	for i := range all {
		all[i] = r.client(1+i, goroutines+1, seed)
	}
	together(goroutines, func(i int) {
		if i == clients {
			r.loop(all[i])
			return
		}
		l.work(r, all[i])
		r.step.leave()
		r.left.Add(-1)
	})
	if twice := r.twice.Load(); twice != nil {
		return fmt.Errorf("%w: seed %d: %s", errRejected, seed, *twice)
	}
	if err := k.check(storeModel(), history(r.logs...)); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// client returns number i of stride many, who writes down what it does.
func (r *storeRound) client(i, stride int, seed uint64) *storeClient {
	c := &storeClient{
		log:     newLog[storeCall, storeReply](i, r.now, 1024),
		st:      r.st,
		rng:     rand.New(rand.NewPCG(seed, uint64(i))),
		version: i,
		stride:  stride,
	}
	r.logs = append(r.logs, c.log)
	return c
}

func (c *storeClient) put(id store.ID) {
	c.version += c.stride
	res := result(id, c.version)
	c.do(storeCall{put, id, c.version}, func() storeReply {
		switch err := c.st.Put(context.Background(), res); {
		case err == nil:
			return storeReply{verdict: done}
		case errors.Is(err, store.ErrExists):
			return storeReply{verdict: exists}
		default:
			return storeReply{verdict: wrong}
		}
	})
}

func (c *storeClient) get(id store.ID) {
	c.do(storeCall{kind: get, id: id}, func() storeReply {
		res, err := c.st.Get(context.Background(), id)
		switch {
		case err == nil:
			return read(id, res)
		case errors.Is(err, store.ErrNotFound):
			return storeReply{verdict: missing}
		default:
			return storeReply{verdict: wrong}
		}
	})
}

func (c *storeClient) del(id store.ID) {
	c.do(storeCall{kind: del, id: id}, func() storeReply {
		if err := c.st.Delete(context.Background(), id); err != nil {
			return storeReply{verdict: wrong}
		}
		return storeReply{verdict: done}
	})
}

// any does one operation on an ID.
func (c *storeClient) any(id store.ID) {
	switch n := c.rng.IntN(10); {
	case n < 4:
		c.put(id)
	case n < 7:
		c.get(id)
	default:
		c.del(id)
	}
}

// loop loops over All while the clients work, and once when they have ended.
//
// That an ID is yielded twice is not for the model if the version is the same:
// every version is put once only, so it was not deleted and put again.
func (r *storeRound) loop(c *storeClient) {
	for range 12 {
		more := r.left.Load() > 0
		began := c.now()
		seen := make(map[store.ID]int)
		for res, err := range r.st.All(context.Background()) {
			at := c.now()
			reply := read(res.ID, res)
			if err != nil {
				reply.verdict = wrong
			}
			c.add(storeCall{kind: loop, id: res.ID}, reply, began, at)
			if last, ok := seen[res.ID]; ok && last == res.Value {
				twice := fmt.Sprintf("All yielded %+v twice", res)
				r.twice.Store(&twice)
			}
			seen[res.ID] = res.Value
		}
		ended := c.now()
		for i := range r.n {
			id := r.first + store.ID(i)
			if _, ok := seen[id]; !ok {
				c.add(storeCall{kind: loop, id: id}, storeReply{verdict: missing}, began, ended)
			}
		}
		if !more {
			return
		}
	}
}

// useIDs picks n IDs in a row at a place where a store may take a step: a new
// segment, another sign of an int32 or an int64, the highest ID of all.
func (r *storeRound) useIDs(n int) {
	edges := []store.ID{1, 1 << 10, 5 << 10, 1 << 31, 1 << 32, 1 << 63}
	r.n = n
	if r.rng.IntN(8) == 0 {
		r.first = -store.ID(n) // the last is the largest uint64
		return
	}
	edge := edges[r.rng.IntN(len(edges))]
	r.first = max(1, edge-min(edge, store.ID(r.rng.IntN(n+1))))
}

// hotIDs is a few IDs on an edge.
func hotIDs(r *storeRound) { r.useIDs(3) }

// lastOfSegment puts and deletes all IDs of a segment of package dense, and of the
// ones beside it, but for a few in the middle: when these are deleted too, it is
// given back, and perhaps made again at the same moment.
func lastOfSegment(r *storeRound) {
	const segment = 1 << 10
	ctx := context.Background()
	r.n = 3
	begin := store.ID(segment * (1 + r.rng.IntN(40)))
	r.first = begin + store.ID(r.rng.IntN(segment-r.n))
	open := r.first + store.ID(1+r.rng.IntN(2)) // IDs below are deleted already
	for id := begin; id < begin+segment; id++ {
		if id < open || id >= r.first+store.ID(r.n) {
			_ = r.st.Put(ctx, result(id, 4))
			_ = r.st.Delete(ctx, id)
		}
	}
}

// rowOfIDs is many IDs, for goAlong.
func rowOfIDs(r *storeRound) { r.useIDs(600) }

// residents is a few IDs on an edge among many that stay, so that a loop over All
// takes its time. They are in the history as well: no loop may miss one.
func residents(r *storeRound) {
	const stay = 250
	r.useIDs(3 + stay)
	setup := r.client(0, 1, 0)
	for i := range stay {
		setup.put(r.first + store.ID(3+i))
	}
}

// hammer does everything with a few IDs, the first ones.
func hammer(r *storeRound, c *storeClient) {
	for range 14 {
		r.step.meet(c.rng)
		c.any(r.first + store.ID(c.rng.IntN(min(r.n, 3))))
	}
}

// goAlong puts one ID after the other, as a pool's workers do, so the store grows,
// and does something with one of the last as often: with the very last, which
// another is about to put, more often than not.
func goAlong(r *storeRound, c *storeClient) {
	for {
		i := int(r.next.Add(1) - 1)
		if i >= r.n {
			return
		}
		r.step.meet(c.rng)
		c.put(r.first + store.ID(i))
		back := c.rng.IntN(1 + c.rng.IntN(1+c.rng.IntN(40)))
		r.step.meet(c.rng)
		c.any(r.first + store.ID(max(0, int(r.next.Load())-1-back)))
	}
}
