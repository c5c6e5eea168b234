package recorder_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/bench/choose/recorder"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

func TestConformance(t *testing.T) {
	for name, open := range map[string]func() store.ResultStore[int]{
		"rwmutex": func() store.ResultStore[int] { return rwmutex.New[int]() },
		"offers":  func() store.ResultStore[int] { return &offering{Store: rwmutex.New[int]()} },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(testing.TB) store.ResultStore[int] { return recorder.New(open()).Store() })
		})
	}
}

// An offering store takes batches.
type offering struct {
	*rwmutex.Store[int]
	mu sync.Mutex // one batch at a time
}

func (s *offering) PutBatch(ctx context.Context, res []store.Result[int]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range res {
		if err := s.Put(ctx, one); err != nil {
			for _, before := range res[:i] {
				err = errors.Join(err, s.Delete(ctx, before.ID))
			}
			return err
		}
	}
	return nil
}

func (s *offering) DeleteBatch(ctx context.Context, ids []store.ID) error {
	for _, id := range ids {
		if err := s.Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// A keeping store also takes records.
type keeping struct{ offering }

func (s *keeping) Encode(res store.Result[int]) ([]byte, error) {
	return binary.AppendVarint(nil, int64(res.Value)), nil
}

func (s *keeping) PutRecords(ctx context.Context, recs []store.Record) error {
	var all []store.Result[int]
	for _, rec := range recs {
		v, _ := binary.Varint(rec.Data)
		all = append(all, store.Result[int]{ID: rec.ID, Value: int(v)})
	}
	return s.PutBatch(ctx, all)
}

// The recorder has the optional interfaces of its store and no others, and counts what is done by them.
func TestOffers(t *testing.T) {
	ctx := t.Context()
	full := recorder.New[int](&keeping{offering{Store: rwmutex.New[int]()}})
	st := full.Store()
	require.NoError(t, st.(store.BatchPutter[int]).PutBatch(ctx, []store.Result[int]{{ID: 1}, {ID: 2}, {ID: 3}}))
	data, err := st.(store.RecordPutter[int]).Encode(store.Result[int]{Value: 44})
	require.NoError(t, err)
	require.NoError(t, st.(store.RecordPutter[int]).PutRecords(ctx, []store.Record{{ID: 4, Data: data}}))
	require.NoError(t, st.(store.BatchDeleter[int]).DeleteBatch(ctx, []store.ID{1, 2}))
	first, err := st.(store.IDReserver).ReserveIDs(ctx, 5)
	require.NoError(t, err)
	assert.Equal(t, store.ID(1), first)
	res, err := st.Get(ctx, 4)
	require.NoError(t, err)
	assert.Equal(t, store.Result[int]{ID: 4, Value: 44}, res)
	assert.Equal(t, recorder.Counts{Puts: 4, Gets: 1, Deletes: 2, MostHeld: 4, MostCalls: 1, ValueBytes: 8}, full.Counts())

	st = recorder.New[int](struct{ store.ResultStore[int] }{rwmutex.New[int]()}).Store()
	_, batches := st.(store.BatchPutter[int])
	_, deletes := st.(store.BatchDeleter[int])
	_, reserves := st.(store.IDReserver)
	assert.False(t, batches || deletes || reserves, "a store without optional interfaces has some when it is recorded")
}

// What a store refuses is not held.
func TestRefused(t *testing.T) {
	rec := recorder.New(storetest.WithFaults[int](rwmutex.New[int](), storetest.Faults{
		Put: storetest.First(2, storetest.Fail(store.ErrRejected)), Get: storetest.First(1, storetest.Panic("no")),
	}))
	for range 3 {
		_ = rec.Store().Put(t.Context(), store.Result[int]{ID: 1})
	}
	assert.Panics(t, func() { _, _ = rec.Store().Get(t.Context(), 1) })
	_, err := rec.Store().Get(t.Context(), 1)
	require.NoError(t, err)
	for range rec.Store().All(t.Context()) {
		break
	}
	assert.Equal(t, recorder.Counts{Puts: 1, Gets: 2, Loops: 1, MostHeld: 1, MostCalls: 1, ValueBytes: 8}, rec.Counts())
}

// Calls that take a second each are all in the store at the same time.
func TestMostCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := recorder.New(storetest.WithFaults[int](rwmutex.New[int](), storetest.Faults{Put: storetest.Slow(time.Second)}))
		var wg sync.WaitGroup
		for id := range store.ID(7) {
			wg.Go(func() { assert.NoError(t, rec.Store().Put(t.Context(), store.Result[int]{ID: id + 1})) })
		}
		wg.Wait()
		assert.Equal(t, recorder.Counts{Puts: 7, MostHeld: 7, MostCalls: 7, ValueBytes: 8}, rec.Counts())
	})
}

func TestValues(t *testing.T) {
	assert.Equal(t, recorder.Counts{ValueBytes: 16, Pointers: true}, recorder.New(rwmutex.New[string]()).Counts())
	assert.Equal(t, recorder.Counts{ValueBytes: 16, Pointers: true}, recorder.New(rwmutex.New[any]()).Counts())
	type pair struct {
		_ int
		_ [1]*int
	}
	assert.Equal(t, recorder.Counts{ValueBytes: 16, Pointers: true}, recorder.New(rwmutex.New[pair]()).Counts())
	type plain struct {
		_ [0]string
		_ [2]float64
		_ struct{ _ bool }
	}
	assert.Equal(t, recorder.Counts{ValueBytes: 24}, recorder.New(rwmutex.New[plain]()).Counts())
	assert.Equal(t, recorder.Counts{}, recorder.New(rwmutex.New[struct{}]()).Counts())
}

func TestWriteFile(t *testing.T) {
	rec := recorder.New(dense.New[int]())
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	p, err := pool.New(t.Context(), double, rec.Store(), nil)
	require.NoError(t, err)
	ids, err := p.SubmitAll(t.Context(), []int{1, 2, 3})
	require.NoError(t, err)
	require.NoError(t, p.Stop(t.Context()))
	for _, id := range ids {
		require.NoError(t, rec.Store().Delete(t.Context(), id))
	}

	path := filepath.Join(t.TempDir(), "mix.json")
	require.NoError(t, rec.WriteFile(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var counts recorder.Counts
	require.NoError(t, json.Unmarshal(text, &counts))
	assert.Equal(t, rec.Counts(), counts)
	assert.Equal(t, uint64(3), counts.Puts)
	assert.Equal(t, uint64(3), counts.Deletes)
	assert.Equal(t, uint64(3), counts.MostHeld)

	assert.ErrorContains(t, rec.WriteFile(filepath.Join(path, "below")), "recorder: ")
}
