package pool_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
)

// So does that of a joined pool.
func TestJoinSubmitAllHuge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.Join[struct{}, int](t.Context(), nil, newMemory(1000), nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
		defer cancel()
		ids, err := p.SubmitAll(ctx, make([]struct{}, huge))
		assert.Equal(t, errCause, err)
		assert.Len(t, ids, 1000)
		_, err = p.TrySubmit(struct{}{})
		assert.ErrorIs(t, err, pool.ErrQueueFull)
		require.NoError(t, p.Stop(t.Context()))
	})
}

// What a joined pool takes over, submits and saves at once is bounded by bytes as well.
func TestJoinBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, n = 1 << 20, 64
		eng := &measured{Memory: enginetest.NewMemory(&enginetest.MemoryOptions{MaxSize: 4 << 20})}
		blob := string(bytes.Repeat([]byte{'x'}, size))
		var slow atomic.Bool
		p, err := pool.Join(t.Context(), func(_ context.Context, s string) (string, error) {
			if slow.Load() {
				time.Sleep(time.Second)
			}
			return s, nil
		}, eng, &pool.Options{Workers: 2})
		require.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), make([]string, 20_000)) // it is quick, and looks far ahead
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		slow.Store(true)
		in := make([]string, n)
		for i := range in {
			in[i] = blob
		}
		_, err = p.SubmitAll(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))
		require.NoError(t, p.Stop(t.Context()))
		const bound = 8 << 20
		assert.LessOrEqual(t, eng.pushed.Load(), int64(bound+2*size))
		assert.LessOrEqual(t, eng.saved.Load(), int64(bound+2*size))
		assert.LessOrEqual(t, eng.held.Load(), int64(2*bound+4*size))
	})
}

// measured notes the largest Push and Save, and the most that is pulled and not acknowledged.
type measured struct {
	*enginetest.Memory
	pushed, saved, holds, held atomic.Int64
}

func (m *measured) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	size := int64(0)
	for _, task := range tasks {
		size += int64(len(task))
	}
	m.pushed.Store(max(m.pushed.Load(), size))
	return m.Memory.Push(ctx, key, tasks)
}

// Pull hands out as much at once as package jetstream does.
func (m *measured) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	ds, err := m.Memory.Pull(ctx, min(limit, 8))
	for _, d := range ds {
		m.holds.Add(int64(len(d.Task)))
	}
	m.held.Store(max(m.held.Load(), m.holds.Load()))
	return ds, err
}

func (m *measured) Ack(ctx context.Context, ds []engine.Delivery) error {
	for _, d := range ds {
		m.holds.Add(-int64(len(d.Task)))
	}
	return m.Memory.Ack(ctx, ds)
}

func (m *measured) Save(ctx context.Context, recs []engine.Record) error {
	size := int64(0)
	for _, rec := range recs {
		size += int64(len(rec.Data))
	}
	m.saved.Store(max(m.saved.Load(), size))
	return m.Memory.Save(ctx, recs)
}

var _ engine.Waiter = (*measured)(nil)
