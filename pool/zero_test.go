package pool_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/pool"
)

// A Pool that neither New nor Join has made is closed, and says why. So is no Pool at all.
func TestZeroPool(t *testing.T) {
	for name, p := range map[string]*pool.Pool[int, int]{"zero": new(pool.Pool[int, int]), "nil": nil} {
		t.Run(name, func(t *testing.T) {
			_, submit := p.Submit(t.Context(), 1)
			_, try := p.TrySubmit(1)
			ids, all := p.SubmitAll(t.Context(), []int{1})
			_, get := p.Get(t.Context(), 1)
			results, read := p.Results(t.Context())
			for method, err := range map[string]error{
				"Submit": submit, "TrySubmit": try, "SubmitAll": all, "Get": get, "Results": read,
				"Resize(0)": p.Resize(0), "Resize(1)": p.Resize(1), "Wait": p.Wait(t.Context()), "Stop": p.Stop(t.Context()),
			} {
				assert.ErrorIs(t, err, pool.ErrClosed, method)
				assert.ErrorContains(t, err, "pool: this Pool was not made by New or Join", method)
			}
			assert.Empty(t, ids)
			assert.Empty(t, results)
			assert.Zero(t, p.Stats())
			select {
			case <-p.Done():
			default:
				assert.Fail(t, "Done is open")
			}
		})
	}
}
