package enginetest

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

var errFault = errors.New("a fault")

// methods are those that can have a fault, each with a call of it on an engine that
// holds task 1 of ids, which came with ds.
var methods = map[string]func(ctx context.Context, f *Faulty, ds []engine.Delivery) error{
	"Push": func(ctx context.Context, f *Faulty, _ []engine.Delivery) error {
		_, err := f.Push(ctx, "another", byteSlices("x"))
		return err
	},
	"Pull":   func(ctx context.Context, f *Faulty, _ []engine.Delivery) error { _, err := f.Pull(ctx, 1); return err },
	"Ack":    func(ctx context.Context, f *Faulty, ds []engine.Delivery) error { return f.Ack(ctx, ds) },
	"Nack":   func(ctx context.Context, f *Faulty, ds []engine.Delivery) error { return f.Nack(ctx, ds) },
	"Extend": func(ctx context.Context, f *Faulty, ds []engine.Delivery) error { return f.Extend(ctx, ds) },
	"Save": func(ctx context.Context, f *Faulty, ds []engine.Delivery) error {
		return f.Save(ctx, []engine.Record{{ID: ds[0].ID, Data: []byte("other")}})
	},
	"Load": func(ctx context.Context, f *Faulty, ds []engine.Delivery) error {
		_, err := f.Load(ctx, ds[0].ID)
		return err
	},
	"Delete": func(ctx context.Context, f *Faulty, ds []engine.Delivery) error { return f.Delete(ctx, idsOf(ds)) },
	"All": func(ctx context.Context, f *Faulty, _ []engine.Delivery) error {
		var last error
		for _, err := range f.All(ctx) {
			last = err
		}
		return last
	},
	"Wait": func(ctx context.Context, f *Faulty, ds []engine.Delivery) error {
		_, err := f.Wait(ctx, ds[0].ID)
		return err
	},
	"MarkStart": func(ctx context.Context, f *Faulty, ds []engine.Delivery) error {
		_, err := f.MarkStart(ctx, ds[0].ID, 1)
		return err
	},
	"Size": func(ctx context.Context, f *Faulty, _ []engine.Delivery) error { _, err := f.Size(ctx); return err },
	"Describe": func(ctx context.Context, f *Faulty, _ []engine.Delivery) error {
		_, err := f.Describe(ctx, "k")
		return err
	},
}

// loaded returns an engine with two tasks, of which one is held and has a record.
func loaded(t *testing.T) (*Memory, []engine.Delivery) {
	t.Helper()
	m := NewMemory(nil)
	_, err := m.Push(t.Context(), "a", byteSlices("1", "2"))
	require.NoError(t, err)
	ds, err := m.Pull(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, m.Save(t.Context(), []engine.Record{{ID: ds[0].ID, Data: []byte("one")}}))
	return m, ds
}

// TestEachMethodHasItsFault calls every method of engines in which one is faulty.
func TestEachMethodHasItsFault(t *testing.T) {
	require.Len(t, methods, reflect.TypeFor[Faults]().NumField()-1, "Record is no method")
	for faulty := range methods {
		var faults Faults
		reflect.ValueOf(&faults).Elem().FieldByName(faulty).Set(reflect.ValueOf(Fail(errFault)))
		for name, call := range methods {
			m, ds := loaded(t)
			f := WithFaults(m, faults)
			err := call(t.Context(), f, ds)
			if name == faulty {
				assert.Equal(t, errFault, err, name)
			} else {
				assert.NoError(t, err, "%s, with a faulty %s", name, faulty)
			}
			assert.Equal(t, 1, f.Calls(name))
		}
	}
}

func TestEachMethodIsDown(t *testing.T) {
	for name, call := range methods {
		m, ds := loaded(t)
		f := WithFaults(m, Faults{})
		f.Down(errFault)
		assert.Equal(t, errFault, call(t.Context(), f, ds), name)
		f.Up()
		assert.NoError(t, call(t.Context(), f, ds), name)
		assert.Equal(t, 2, f.Calls(name))
		require.NoError(t, f.Close())
		assert.Equal(t, engine.ErrClosed, call(t.Context(), f, ds), name)
	}
}

func TestEachMethodNeedsTheEngineInside(t *testing.T) {
	m, ds := loaded(t)
	f := WithFaults(struct{ engine.Engine }{m}, Faults{})
	for _, name := range []string{"Wait", "MarkStart", "Size", "Describe"} {
		assert.ErrorIs(t, methods[name](t.Context(), f, ds), errors.ErrUnsupported, name)
	}
	for err, want := range map[error]bool{io.EOF: true, engine.ErrFull: true, engine.ErrTooLarge: false, engine.ErrGone: false, engine.ErrClosed: false} {
		assert.Equal(t, want, f.Retryable(err), "%v", err)
	}
	f = WithFaults(m, Faults{})
	assert.True(t, f.Retryable(io.EOF))
	assert.False(t, f.Retryable(errMisuse))
	assert.Equal(t, m.Lease(), f.Lease())
	assert.Panics(t, func() { f.Calls("Shove") })
}

func TestFaultKnowsTheIDs(t *testing.T) {
	for name, call := range methods {
		var got []uint64
		var faults Faults
		reflect.ValueOf(&faults).Elem().FieldByName(name).Set(reflect.ValueOf(
			Fault(func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
				got = ids
				return do(ctx)
			})))
		m, ds := loaded(t)
		require.NoError(t, call(t.Context(), WithFaults(m, faults), ds), name)
		switch name {
		case "Push", "Pull", "All", "Size", "Describe":
			assert.Nil(t, got, name)
		default:
			assert.Equal(t, []uint64{ds[0].ID}, got, name)
		}
	}
}

func TestLoseAndDrop(t *testing.T) {
	ctx := t.Context()
	m := NewMemory(nil)
	f := WithFaults(m, Faults{Push: First(1, Lose(errFault)), Pull: First(1, Lose(errFault)), Ack: First(1, Drop())})
	ids, err := f.Push(ctx, "a", byteSlices("1", "2"))
	assert.Equal(t, errFault, err)
	assert.Nil(t, ids)
	ids, err = f.Push(ctx, "a", byteSlices("1", "2"))
	require.NoError(t, err)
	size, err := f.Size(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 2, size, "the first Push had taken effect")

	ds, err := f.Pull(ctx, 1)
	assert.Equal(t, errFault, err)
	assert.Nil(t, ds)
	ds, err = f.Pull(ctx, 2)
	require.NoError(t, err)
	assert.Equal(t, ids[1:], idsOf(ds), "the first task is held")

	for _, want := range []uint64{2, 1} {
		require.NoError(t, f.Ack(ctx, ds))
		size, err = f.Size(ctx)
		require.NoError(t, err)
		assert.Equal(t, want, size)
	}
}

func TestPushKeepsTheIDsBesideErrFull(t *testing.T) {
	f := WithFaults(NewMemory(&MemoryOptions{QueueBound: 1}), Faults{})
	ids, err := f.Push(t.Context(), "a", byteSlices("1", "2"))
	require.ErrorIs(t, err, engine.ErrFull)
	require.Len(t, ids, 2)
	assert.NotZero(t, ids[0])
}

func TestFaultsOfAll(t *testing.T) {
	ctx := t.Context()
	m := NewMemory(nil)
	require.NoError(t, m.Save(ctx, []engine.Record{{ID: 1}, {ID: 2}, {ID: 3}}))
	pairs := func(eng engine.Engine, limit int) (ids []uint64, errs []error) {
		for rec, err := range eng.All(ctx) {
			if err != nil {
				errs = append(errs, err)
			} else {
				ids = append(ids, rec.ID)
			}
			if len(ids) == limit {
				break
			}
		}
		return ids, errs
	}
	ids, errs := pairs(WithFaults(m, Faults{All: Fail(errFault)}), 3)
	assert.Empty(t, ids)
	assert.Equal(t, []error{errFault}, errs)
	ids, errs = pairs(WithFaults(m, Faults{All: Lose(errFault)}), 9)
	assert.Equal(t, []uint64{1, 2, 3}, ids)
	assert.Equal(t, []error{errFault}, errs)
	ids, errs = pairs(WithFaults(m, Faults{All: Lose(errFault)}), 2)
	assert.Equal(t, []uint64{1, 2}, ids)
	assert.Empty(t, errs, "nothing is yielded after a break")
	failing := WithFaults(m, Faults{All: Fail(io.EOF)})
	ids, errs = pairs(WithFaults(failing, Faults{}), 3)
	assert.Empty(t, ids)
	assert.Equal(t, []error{io.EOF}, errs, "the engine's own error")
}

// TestDownReachesCallsThatWait has calls wait in the engine and in faults.
func TestDownReachesCallsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := WithFaults(NewMemory(nil), Faults{Save: Block(), Load: Slow(time.Hour)})
		errs := make(chan error, 3)
		wait := func() {
			go func() { _, err := f.Pull(t.Context(), 1); errs <- err }()
			go func() { errs <- f.Save(t.Context(), nil) }()
			go func() { _, err := f.Load(t.Context(), 1); errs <- err }()
			synctest.Wait()
			require.Empty(t, errs)
		}
		wait()
		f.Down(errFault)
		for range 3 {
			assert.Equal(t, errFault, <-errs)
		}
		f.Up()
		wait()
		require.NoError(t, f.Close())
		for range 3 {
			assert.Equal(t, engine.ErrClosed, <-errs)
		}
		assert.Empty(t, f.made)
	})
}

func TestSlowAndBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		m := NewMemory(nil)
		f := WithFaults(m, Faults{Save: Slow(time.Minute), Load: Block()})
		assert.NoError(t, f.Save(t.Context(), []engine.Record{{ID: 1}}))
		assert.Equal(t, time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errFault)
		defer cancel()
		assert.Equal(t, errFault, f.Save(ctx, []engine.Record{{ID: 2}}), "the cause, before it has begun")
		_, err := m.Load(t.Context(), 2)
		assert.ErrorIs(t, err, engine.ErrNotFound)

		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Hour, errFault)
		defer cancel()
		_, err = f.Load(ctx, 1)
		assert.Equal(t, errFault, err)
		assert.Equal(t, time.Hour+time.Minute+time.Second, time.Since(start))
	})
}

func TestPanic(t *testing.T) {
	f := WithFaults(NewMemory(nil), Faults{Delete: Panic("boom")})
	assert.PanicsWithValue(t, "boom", func() { _ = f.Delete(t.Context(), []uint64{1}) })
	assert.Empty(t, f.made)
	assert.NoError(t, f.Save(t.Context(), nil))
}

func TestGoexit(t *testing.T) {
	f := WithFaults(NewMemory(nil), Faults{Pull: Goexit()})
	ended, returned := make(chan struct{}), false
	go func() {
		defer close(ended)
		_, _ = f.Pull(t.Context(), 1)
		returned = true
	}()
	<-ended
	assert.False(t, returned)
	assert.Empty(t, f.made)
}

// TestRecordsThatCannotBeRead has a loop go on behind them.
func TestRecordsThatCannotBeRead(t *testing.T) {
	m := NewMemory(nil)
	require.NoError(t, m.Save(t.Context(), []engine.Record{{ID: 1}, {ID: 2, Data: []byte("2")}, {ID: 3}}))
	inner := WithFaults(m, Faults{Record: Only(Fail(errFault), 2)})
	for _, f := range []*Faulty{inner, WithFaults(inner, Faults{})} {
		var ids []uint64
		for rec, err := range f.All(t.Context()) {
			ids = append(ids, rec.ID)
			if rec.ID == 2 {
				assert.Equal(t, errFault, err)
				assert.Nil(t, rec.Data)
			} else {
				assert.NoError(t, err)
			}
		}
		assert.Equal(t, []uint64{1, 2, 3}, ids)
	}
}

func TestFaultsThatBeginAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := WithFaults(NewMemory(nil), Faults{})
		save := func(want ...error) {
			t.Helper()
			for _, err := range want {
				assert.Equal(t, err, f.Save(t.Context(), []engine.Record{{ID: 5}}))
			}
		}
		f.SetFaults(Faults{Save: First(2, Fail(errFault))})
		save(errFault, errFault, nil, nil)
		f.SetFaults(Faults{Save: After(2, Fail(errFault))})
		save(nil, nil, errFault, errFault)
		f.SetFaults(Faults{Save: Only(Fail(errFault), 4, 5)})
		save(errFault)
		f.SetFaults(Faults{Save: Only(Fail(errFault), 4, 6)})
		save(nil)
		f.SetFaults(Faults{Save: Chain(First(3, nil), For(time.Hour, nil), After(0, nil), Only(nil, 5))})
		save(nil)

		f.SetFaults(Faults{Save: For(time.Minute, Fail(errFault))})
		time.Sleep(time.Hour) // before the first call
		save(errFault)
		time.Sleep(time.Minute - time.Nanosecond)
		save(errFault)
		time.Sleep(time.Nanosecond)
		save(nil)

		start := time.Now()
		f.SetFaults(Faults{Save: Chain(Slow(time.Second), First(2, Fail(errFault)), Slow(time.Minute))})
		save(errFault, errFault, nil)
		assert.Equal(t, time.Minute+3*time.Second, time.Since(start))
	})
}
