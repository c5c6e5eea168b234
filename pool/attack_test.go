package pool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

// A Get that reads a stored result when the engine fails for good has the result: what is stored
// may be read all the same.
func TestJoinGetReadsWhilePoolFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		eng := &hooked{Memory: newMemory(0)}
		p, _ := join(t, eng, doubled, nil)
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))

		eng.load = func(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
			select {
			case <-gate:
				return call()
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		eng.push = func(context.Context, func() ([]uint64, error)) ([]uint64, error) { return nil, engine.ErrGone }
		var v int
		got := call(func() (err error) { v, err = p.Get(t.Context(), id); return err })
		synctest.Wait()
		_, err = p.Submit(t.Context(), 5)
		require.ErrorIs(t, err, engine.ErrGone)
		<-p.Done()
		synctest.Wait()

		close(gate)
		synctest.Wait()
		err, returned := got()
		require.True(t, returned)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
	})
}
