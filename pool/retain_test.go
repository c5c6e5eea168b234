package pool_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// A pool that has nothing to do keeps no task, no value and no panic reachable once
// the result is deleted: not in the queue, and not in a worker.
func TestIdlePoolKeepsNothing(t *testing.T) {
	type thing struct{ _ [64]byte }
	st := rwmutex.New[*thing]()
	outcomes := map[string]func(in *thing) (*thing, error){
		"value": func(*thing) (*thing, error) { return new(thing), nil },
		"error": func(*thing) (*thing, error) { return new(thing), errTask },
		"panic": func(in *thing) (*thing, error) { panic(in) },
		"exit":  func(*thing) (*thing, error) { runtime.Goexit(); return nil, nil },
	}
	for name, fn := range outcomes {
		t.Run(name, func(t *testing.T) {
			checkGoroutines(t)
			var made []weak.Pointer[thing]
			p, err := pool.New(t.Context(), func(_ context.Context, in *thing) (*thing, error) {
				v, err := fn(in)
				made = append(made, weak.Make(v))
				return v, err
			}, st, &pool.Options{Workers: 1})
			require.NoError(t, err)
			defer func() { assert.NoError(t, p.Stop(context.Background())) }()
			for range 20 {
				in := new(thing)
				made = append(made, weak.Make(in))
				id, err := p.Submit(t.Context(), in)
				require.NoError(t, err)
				require.NoError(t, p.Wait(t.Context()))
				require.NoError(t, st.Delete(t.Context(), id))
			}
			assert.Eventually(t, func() bool {
				runtime.GC()
				for _, thing := range made {
					if thing.Value() != nil {
						return false
					}
				}
				return true
			}, 10*time.Second, time.Millisecond, "something is still reachable")
			runtime.KeepAlive(p)
		})
	}
}
