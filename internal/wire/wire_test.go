package wire_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/internal/wire"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

var errKnown, errUsers = errors.New("known"), errors.New("the user's")

func newWire[T, R any](t *testing.T) *wire.Wire[T, R] {
	w, err := wire.New[T, R](nil, map[string]error{})
	require.NoError(t, err)
	return w
}

// Errors are themselves again, under the user's codes if there are any.
func TestWireNew(t *testing.T) {
	type errs = map[string]error
	for _, users := range []errs{nil, {"users": errUsers}, {"renamed": errKnown}, {"known": errUsers, "renamed": errKnown}} {
		w, err := wire.New[int, int](&codec.Options{Errors: users}, errs{"known": errKnown})
		require.NoError(t, err)
		for _, err := range []error{errKnown, errUsers} {
			data, encoding := w.Store(nil).Encode(store.Result[int]{ID: 1, Value: 7, Err: fmt.Errorf("a test: %w", err)})
			require.NoError(t, encoding)
			res, decoding := w.DecodeResult(1, data)
			require.NoError(t, decoding)
			assert.Equal(t, 7, res.Value)
			assert.EqualError(t, res.Err, "a test: "+err.Error())
			assert.Equal(t, err == errKnown || users["users"] != nil || users["known"] != nil, errors.Is(res.Err, err))
		}
	}
	_, err := wire.New[int, int](&codec.Options{Errors: errs{"x": nil}}, errs{})
	assert.ErrorContains(t, err, `pool: Codec: codec: Errors["x"] is nil`)
	_, err = wire.New[func(), int](nil, nil)
	assert.ErrorContains(t, err, "tasks of type func() cannot be sent to another process")
}

// All who use the engine mean the same types, if it can tell.
func TestWireDescribe(t *testing.T) {
	eng := enginetest.NewMemory(nil)
	for range 2 {
		assert.NoError(t, newWire[string, int](t).Describe(t.Context(), eng))
	}
	w := newWire[int, int](t)
	assert.ErrorContains(t, w.Describe(t.Context(), eng), "pool: the engine's tasks are string as json to int as json, and this pool's are int as json to int as json; join with")
	assert.NoError(t, w.Describe(t.Context(), struct{ engine.Engine }{eng}))
	require.NoError(t, eng.Close())
	err := w.Describe(t.Context(), eng)
	assert.ErrorIs(t, err, engine.ErrClosed)
	assert.ErrorContains(t, err, "pool: joining the engine: ")
}

// As many tasks as one Push takes are written, and the one that cannot be is named.
func TestWireEncodeTasks(t *testing.T) {
	w := newWire[string, int](t)
	for want, in := range map[int][]string{
		0:              nil,
		3:              make([]string, 3),
		remote.MaxPush: make([]string, 1000),
		9:              strings.SplitAfter(strings.Repeat(strings.Repeat("x", 1<<20-20)+"\n", 20), "\n"), // it stops once it has 8 MiB
	} {
		tasks, err := w.EncodeTasks(in, 0)
		assert.NoError(t, err)
		assert.Len(t, tasks, want)
	}
	tasks, err := w.EncodeTasks([]string{"a", "b"}, 1)
	require.NoError(t, err)
	require.Len(t, tasks, 1)
	task, err := w.DecodeTask(tasks[0])
	assert.NoError(t, err)
	assert.Equal(t, "b", task)

	floats := newWire[float64, int](t)
	_, err = floats.EncodeTasks([]float64{math.NaN()}, 0)
	assert.EqualError(t, err, "pool: the task: codec: the value cannot be written as float64 as json: json: unsupported value: NaN")
	_, err = floats.EncodeTasks([]float64{1, 2, math.NaN()}, 1)
	assert.ErrorContains(t, err, "pool: the task at index 2: codec: the value cannot be written")
}

// What is no task or no result of these types is an error that says so.
func TestWireDecode(t *testing.T) {
	w := newWire[int, int](t)
	for data, want := range map[string]string{
		"\x00abcd1": "nothing that a codec wrote",
		"\x02abcd1": "written as version 2 by a newer program",
		"\x01abcd1": "it is not int as json, but of another program",
	} {
		_, err := w.DecodeTask([]byte(data))
		assert.ErrorContains(t, err, "pool: the task: codec: ")
		assert.ErrorContains(t, err, want)
	}
	_, err := w.DecodeResult(1, []byte("junk"))
	assert.ErrorContains(t, err, "pool: codec: ")
}

// A task that is given back has an empty record, and a result in place of one that was refused has the refusal only, cut
// between runes.
func TestWireEncode(t *testing.T) {
	st := newWire[int, int](t).Store(nil)
	data, err := st.Encode(store.Result[int]{ID: 1, Err: &remote.HandBack{Cause: errKnown}})
	assert.NoError(t, err)
	assert.Empty(t, data)
	for i := range 4 {
		refusal := errors.New(strings.Repeat("x", i) + strings.Repeat("ü", 2000))
		data, err := st.Encode(store.Result[int]{ID: 1, Err: &saver.NotStored{Refusal: refusal}})
		require.NoError(t, err)
		res, err := newWire[int, int](t).DecodeResult(1, data)
		require.NoError(t, err)
		assert.ErrorIs(t, res.Err, store.ErrRejected)
		assert.Regexp(t, "^pool: the task's outcome was not stored: .*: x{0,3}ü{510,512}…$", res.Err)
	}
}

// noHost only fails.
type noHost struct{ remote.Host }

func (noHost) Fail(error) {}

// The engine is a store: the first write of an ID wins, and its errors mean what those of a store mean.
func TestWireStore(t *testing.T) {
	eng := enginetest.WithFaults(enginetest.NewMemory(nil), enginetest.Faults{})
	w := newWire[int, float64](t)
	st := w.Store(remote.New(context.Background(), eng, noHost{}, backoff.New()))
	put := func(v float64) error { return st.Put(t.Context(), store.Result[float64]{ID: 5, Value: v}) }
	assert.NoError(t, put(1))
	assert.NoError(t, put(2))
	res, err := st.Get(t.Context(), 5)
	assert.NoError(t, err)
	assert.Equal(t, store.Result[float64]{ID: 5, Value: 1}, res)
	assert.ErrorContains(t, put(math.NaN()), "unsupported value: NaN")
	for cause, want := range map[error]error{
		engine.ErrTooLarge: store.ErrRejected, engine.ErrGone: store.ErrClosed, engine.ErrClosed: store.ErrClosed, errUsers: errUsers,
	} {
		eng.SetFaults(enginetest.Faults{Save: enginetest.Fail(cause)})
		err := put(3)
		assert.ErrorIs(t, err, cause)
		assert.ErrorIs(t, err, want)
		assert.Equal(t, want == store.ErrClosed, errors.Is(err, store.ErrClosed))
	}
	eng.SetFaults(enginetest.Faults{Save: enginetest.Panic("a bug")})
	assert.ErrorIs(t, put(3), store.ErrRejected)

	eng.SetFaults(enginetest.Faults{})
	require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: 6, Data: []byte("junk")}}))
	var seen []store.ID
	for res, err := range st.All(t.Context()) {
		assert.Equal(t, res.ID == 6, err != nil)
		seen = append(seen, res.ID)
	}
	assert.ElementsMatch(t, []store.ID{5, 6}, seen)
	assert.NoError(t, st.Delete(t.Context(), 5))
	_, err = st.Get(t.Context(), 5)
	assert.ErrorIs(t, err, store.ErrNotFound)
	eng.Down(errUsers)
	_, err = st.Get(t.Context(), 5)
	assert.Equal(t, errUsers, err)
	for _, err := range st.All(t.Context()) {
		assert.ErrorIs(t, err, errUsers)
	}
}
