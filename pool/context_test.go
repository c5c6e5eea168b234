package pool_test

import (
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// talkingCtx is a context whose methods call the pool that asks them, once it is there.
type talkingCtx struct {
	*customCtx
	pool *atomic.Pointer[pool.Pool[task, int]]
}

func (c *talkingCtx) talk() {
	if p := c.pool.Load(); p != nil {
		p.Stats()
	}
}

func (c *talkingCtx) Value(key any) any     { c.talk(); return c.customCtx.Value(key) }
func (c *talkingCtx) Err() error            { c.talk(); return c.customCtx.Err() }
func (c *talkingCtx) Done() <-chan struct{} { c.talk(); return c.customCtx.Done() }

// The methods of a context are the user's code, and may call the pool.
func TestContextCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talksTo := new(atomic.Pointer[pool.Pool[task, int]])
		parent := &talkingCtx{newCustomCtx(), talksTo}
		st := newReservingStore(1)
		p, err := pool.New(parent, pool.Call[int], st, &pool.Options{Workers: 1, Queue: 1 << 17})
		require.NoError(t, err)
		talksTo.Store(p)
		ctx := &talkingCtx{newCustomCtx(), talksTo}
		gate := make(chan struct{})
		ids, err := p.SubmitAll(ctx, slices.Repeat([]task{gated(gate, 1)}, 1<<16))
		require.NoError(t, err)
		_, err = p.Submit(ctx, gated(gate, 1)) // reserves
		require.NoError(t, err)
		calls := []func() (error, bool){
			call(func() error { _, err := p.Get(ctx, ids[5]); return err }),
			call(func() error { return p.Wait(ctx) }),
			call(func() error { _, err := p.SubmitAll(ctx, slices.Repeat([]task{value(1)}, 1<<17)); return err }),
		}
		synctest.Wait()
		calls = append(calls, call(func() error { return p.Stop(ctx) }))
		synctest.Wait()
		ctx.cancel(io.EOF)
		synctest.Wait()
		for i, c := range calls {
			err, returned := c()
			assert.True(t, returned, "call %d", i)
			assert.Error(t, err)
		}
		parent.cancel(errCause)
		close(gate)
		<-p.Done()
	})
}
