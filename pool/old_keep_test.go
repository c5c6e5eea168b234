package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A submitter that gives up while another reserves leaves nothing behind.
func TestWaitingForReserverLeavesNothing(t *testing.T) {
	type key struct{}
	type thing struct{ _ [64]byte }
	p, _, _ := exhaustedPool(t, reserveHangs)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asking := make(chan struct{})
	go func() {
		defer close(asking)
		_, err := p.Submit(ctx, value(1))
		assert.Error(t, err)
	}()
	giveUp := func() weak.Pointer[thing] {
		v := new(thing)
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, v), 20*time.Millisecond)
		defer cancel()
		_, err := p.Submit(ctx, value(1))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		return weak.Make(v)
	}
	v := giveUp()
	assert.Eventually(t, func() bool { runtime.GC(); return v.Value() == nil }, 3*time.Second, time.Millisecond,
		"the submitter's context is still reachable")
	cancel()
	<-asking
}

// All errors are noted, however many come at once.
func TestMapFailuresRace(t *testing.T) {
	const n = 20_000
	_, err := pool.Map(t.Context(), make([]int, n), func(context.Context, int) (int, error) { return 0, errTask },
		&pool.Options{Workers: 4})
	errs := err.(interface{ Unwrap() []error }).Unwrap()
	require.Len(t, errs, n)
	for i, err := range errs {
		require.EqualError(t, err, fmt.Sprintf("pool: input %d: %v", i, errTask))
	}
}

// The contexts that reserving has made are over with the call: nothing of them stays
// with the pool or with the submitter's own context.
func TestReservingLeavesNothing(t *testing.T) {
	checkGoroutines(t)
	type key struct{}
	type thing struct{ _ [64]byte }
	st := newReservingStore(1)
	p := newPool(t, &pool.Options{Workers: 1, Queue: 1 << 17}, st)
	_, err := p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, 1<<16))
	require.NoError(t, err)
	good := st.reserve
	submitWith := func() weak.Pointer[thing] {
		v := new(thing)
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, v))
		defer cancel()
		var given context.Context
		st.reserve = func(ctx context.Context, n uint64) (store.ID, error) { given = ctx; return good(ctx, n) }
		_, err := p.Submit(ctx, value(1))
		require.NoError(t, err)
		assert.Error(t, given.Err(), "the context that ReserveIDs was given")
		return weak.Make(v)
	}
	v := submitWith()
	st.reserve = nil
	assert.Eventually(t, func() bool { runtime.GC(); return v.Value() == nil }, 3*time.Second, time.Millisecond,
		"the submitter's context is still reachable")
	runtime.KeepAlive(p)
}
