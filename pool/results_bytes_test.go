package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Results on their way to a store that takes bytes.

// recordStore is a RecordPutter of blobs that takes its time, and notes what it is given.
type recordStore struct {
	*rwmutex.Store[[]byte]
	took    time.Duration
	encode  func(store.Result[[]byte]) ([]byte, error) // nil: the value
	encoded atomic.Int64                               // bytes that Encode has returned
	written atomic.Int64                               // bytes that PutRecords was given
	most    atomic.Int64                               // the largest difference
	batches atomic.Int64
	largest atomic.Int64 // batch, in bytes
}

var _ store.RecordPutter[[]byte] = (*recordStore)(nil)

func (s *recordStore) Encode(res store.Result[[]byte]) ([]byte, error) {
	data := res.Value
	if s.encode != nil {
		var err error
		if data, err = s.encode(res); err != nil {
			return data, err
		}
	}
	waiting := s.encoded.Add(int64(len(data))) - s.written.Load()
	for most := s.most.Load(); waiting > most && !s.most.CompareAndSwap(most, waiting); most = s.most.Load() {
	}
	return data, nil
}

func (s *recordStore) PutRecords(ctx context.Context, recs []store.Record) error {
	time.Sleep(s.took)
	size := int64(0)
	for _, r := range recs {
		size += int64(len(r.Data))
		if err := s.Put(ctx, store.Result[[]byte]{ID: r.ID, Value: r.Data}); err != nil {
			return err
		}
	}
	s.batches.Add(1)
	s.largest.Store(max(s.largest.Load(), size))
	s.written.Add(size)
	return nil
}

func (s *recordStore) PutBatch(ctx context.Context, res []store.Result[[]byte]) error {
	for _, r := range res {
		if err := s.Put(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// What gathers for a store that takes bytes is bounded by bytes.
func TestGatheredBytes(t *testing.T) {
	const (
		bound   = 8 << 20 // of a batch, as store.RecordPutter says
		workers = 2
	)
	for _, size := range []int{1, 300_000, 3 << 20, 20 << 20} {
		bubble(t, fmt.Sprint(size), func(t *testing.T) {
			st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Millisecond}
			blob := bytes.Repeat([]byte{'x'}, size)
			n := min(5000, max(20, 5*bound/size))
			p, err := pool.New(t.Context(), func(context.Context, int) ([]byte, error) { return blob, nil }, st,
				&pool.Options{Workers: workers})
			require.NoError(t, err)
			ids, err := p.SubmitAll(t.Context(), make([]int, n))
			require.NoError(t, err)
			require.NoError(t, p.Stop(t.Context()))
			for _, id := range ids {
				v, err := p.Get(t.Context(), id)
				require.NoError(t, err)
				require.Len(t, v, size)
			}
			assert.LessOrEqual(t, st.largest.Load(), int64(max(bound, size)))
			// A batch that is written, one that gathers, and what the workers hold.
			assert.LessOrEqual(t, st.most.Load(), int64(2*max(bound, size)+workers*size))
			if size == 1 {
				assert.Less(t, st.batches.Load(), int64(n/500), "small results go in large batches")
			}
			assert.Equal(t, int64(n*size), st.encoded.Load(), "each is encoded once")
		})
	}
}

// A result for which there is no room among others is not overtaken by all that are smaller.
func TestLargeResultAmongSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, large = 600, 9 << 20
		st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Second}
		p, err := pool.New(t.Context(), func(_ context.Context, size int) ([]byte, error) { return make([]byte, size), nil },
			st, &pool.Options{Workers: workers, Queue: 100 * workers})
		require.NoError(t, err)
		small := make([]int, 40*workers)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), large)
		require.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		batches := st.batches.Load()
		require.NoError(t, p.Stop(t.Context()))
		require.Greater(t, st.batches.Load(), batches+20, "it was among the last")
	})
}

// A result that cannot be encoded costs the others of its batch nothing, and is replaced.
// What Encode returns beside an error is nothing.
func TestEncodeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Millisecond}
		st.encode = func(res store.Result[[]byte]) ([]byte, error) {
			switch string(res.Value) {
			case "error":
				return []byte("half"), fmt.Errorf("%w: no", store.ErrRejected)
			case "panic":
				panic("in Encode")
			case "Goexit":
				runtime.Goexit()
			}
			return append([]byte{}, res.Value...), nil
		}
		p, err := pool.New(t.Context(), func(_ context.Context, s string) ([]byte, error) { return []byte(s), nil }, st,
			&pool.Options{Workers: 2})
		require.NoError(t, err)
		ids, err := p.SubmitAll(t.Context(), []string{"a", "error", "b", "panic", "c", "Goexit", "d"})
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
		for i, want := range []string{"a", "", "b", "", "c", "", "d"} {
			res, err := st.Get(t.Context(), ids[i])
			require.NoError(t, err)
			require.Equal(t, want, string(res.Value))
		}
		require.Zero(t, p.Stats().Unsaved)
	})
}

// What ends the encoding of each result, also of the one that replaces it, is the end of that
// result only, and its bytes are not used.
func TestEncodeAlwaysCallsGoexit(t *testing.T) {
	for name, c := range map[string]struct {
		encode func(store.Result[[]byte]) ([]byte, error)
		want   error
	}{
		"Goexit": {func(store.Result[[]byte]) ([]byte, error) { runtime.Goexit(); return nil, nil }, pool.ErrGoexit},
		"error":  {func(store.Result[[]byte]) ([]byte, error) { return []byte("half"), store.ErrRejected }, store.ErrRejected},
	} {
		bubble(t, name, func(t *testing.T) {
			st := &recordStore{Store: rwmutex.New[[]byte](), encode: c.encode}
			p, err := pool.New(t.Context(), func(context.Context, int) ([]byte, error) { return []byte("whole"), nil }, st, nil)
			require.NoError(t, err)
			id, err := p.Submit(t.Context(), 1)
			require.NoError(t, err)
			require.NoError(t, p.Stop(t.Context())) // Put needs no Encode here
			v, err := p.Get(t.Context(), id)
			require.ErrorIs(t, err, c.want)
			require.Empty(t, v)
		})
	}
}
