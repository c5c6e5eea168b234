package storetest

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// sweepWhilePutting deletes results as it reads them, loop after loop, as package
// store advises, while others put new ones. It must come upon each exactly once.
func sweepWhilePutting(ctx context.Context, s *subject) error {
	const putters = 3
	o := s.open(ctx)
	sw := &sweeper{}
	n := s.size(6000, 2)
	sw.there = make([]atomic.Bool, n+1)
	sw.swept = make([]bool, n+1)
	sw.putting.Store(putters)
	err := parallel(putters+1, func(i int) error {
		o := o.fork()
		if i < putters {
			defer sw.putting.Add(-1)
			sw.put(o)
			return o.err
		}
		defer sw.left.Store(true)
		for more := true; more && o.err == nil; {
			more = sw.putting.Load() > 0 // one loop more when all is put
			sw.loop(o)
			runtime.Gosched()
		}
		return o.err
	})
	if err != nil {
		return err
	}
	for id := 1; id <= n; id++ {
		if !sw.swept[id] {
			o.fail("All never yielded ID %d, which was put and which nobody else deletes", id)
		}
	}
	o.holdsOnly(nil)
	return o.err
}

// sweepAhead is how many results are held at once.
const sweepAhead = 200

type sweeper struct {
	last    atomic.Int64  // the last ID that was taken
	putting atomic.Int32  // goroutines that put
	deleted atomic.Int64  // how many results loops have deleted
	left    atomic.Bool   // there will be no more loops
	there   []atomic.Bool // by ID: its Put has returned
	swept   []bool        // by ID: a loop has deleted it
}

func (sw *sweeper) put(o *script) {
	for o.err == nil {
		id := sw.last.Add(1)
		if id >= int64(len(sw.there)) {
			return
		}
		for id > sw.deleted.Load()+sweepAhead && !sw.left.Load() {
			runtime.Gosched() // or all would be put before the first loop
		}
		o.put(result(store.ID(id), 0))
		sw.there[id].Store(true)
	}
}

func (sw *sweeper) loop(o *script) {
	var want []int
	for id := range sw.there {
		if sw.there[id].Load() && !sw.swept[id] {
			want = append(want, id)
		}
	}
	o.each(func(res store.Result[int]) { sw.sweep(o, res) })
	for _, id := range want {
		if !sw.swept[id] {
			o.fail("All did not yield ID %d, which was held throughout the loop; its body deletes what it reads", id)
		}
	}
}

func (sw *sweeper) sweep(o *script, res store.Result[int]) {
	switch {
	case res.ID == 0 || res.ID > store.ID(min(sw.last.Load(), int64(len(sw.there)-1))):
		o.fail("All yielded ID %d, which was never put", res.ID)
		return
	case !same(res, result(res.ID, 0)):
		o.fail("All yielded %+v, want %+v", res, result(res.ID, 0))
	case sw.swept[res.ID]:
		o.fail("All yielded ID %d again, which the body of a loop has deleted", res.ID)
	}
	sw.swept[res.ID] = true
	o.has(res)
	o.del(res.ID)
	o.lacks(res.ID)
	if sw.deleted.Add(1)%16 == 0 {
		runtime.Gosched()
	}
}
