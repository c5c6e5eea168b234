package enginetest

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

var errFault = errors.New("a fault")

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

// eachMethod calls f for every method that can have a fault, with an engine that is loaded,
// and a call of the method on it that is about the task with that ID.
func eachMethod(t *testing.T, faults Faults, f func(name string, f *Faulty, call func() error, id uint64)) {
	t.Helper()
	n := reflect.TypeFor[Faults]().NumField() - 1 // Record is no method
	for i := range n {
		m, ds := loaded(t)
		faulty := WithFaults(m, faults)
		calls := wholeOf(faulty).calls(t.Context(), ds)
		require.Len(t, calls, n)
		f(calls[i].method, faulty, func() error { return calls[i].try(wholeOf(faulty)) }, ds[0].ID)
	}
}

// faultOf has a fault in one method.
func faultOf(method string, f Fault) (faults Faults) {
	reflect.ValueOf(&faults).Elem().FieldByName(method).Set(reflect.ValueOf(f))
	return faults
}

// TestEachMethodHasItsFault wants the fault of a method, and no other's, to see the IDs that a
// call is about.
func TestEachMethodHasItsFault(t *testing.T) {
	eachMethod(t, Faults{}, func(faulty string, _ *Faulty, _ func() error, _ uint64) {
		var seen []uint64
		faults := faultOf(faulty, func(_ context.Context, ids []uint64, _ func(context.Context) error) error {
			seen = ids
			return errFault
		})
		eachMethod(t, faults, func(name string, _ *Faulty, call func() error, id uint64) {
			seen = nil
			err := call()
			if name != faulty {
				assert.NoError(t, err, "%s, with a faulty %s", name, faulty)
				return
			}
			assert.Equal(t, errFault, err, name)
			switch name {
			case "Push", "Pull", "All", "Size", "Describe":
				assert.Nil(t, seen, name)
			default:
				assert.Equal(t, []uint64{id}, seen, name)
			}
		})
	})
}

func TestEachMethodIsDown(t *testing.T) {
	eachMethod(t, Faults{}, func(name string, f *Faulty, call func() error, _ uint64) {
		f.Down(errFault)
		assert.Equal(t, errFault, call(), name)
		f.Up()
		assert.NoError(t, call(), name)
		require.NoError(t, f.Close())
		assert.Equal(t, engine.ErrClosed, call(), name)
	})
}

func TestEachMethodNeedsTheEngineInside(t *testing.T) {
	m, ds := loaded(t)
	f := WithFaults(struct{ engine.Engine }{m}, Faults{})
	var lacking []string
	for _, c := range wholeOf(f).calls(t.Context(), ds) {
		if errors.Is(c.try(wholeOf(f)), errors.ErrUnsupported) {
			lacking = append(lacking, c.method)
		}
	}
	assert.Equal(t, []string{"Wait", "MarkStart", "NackAfter", "Size", "Describe"}, lacking)
	for err, want := range map[error]bool{io.EOF: true, engine.ErrFull: true, engine.ErrTooLarge: false, engine.ErrGone: false, engine.ErrClosed: false} {
		assert.Equal(t, want, f.Retryable(err), "%v", err)
	}
	f = WithFaults(m, Faults{})
	assert.True(t, f.Retryable(io.EOF))
	assert.False(t, f.Retryable(errMisuse))
	assert.Equal(t, m.Lease(), f.Lease())
}

func TestLoseAndDrop(t *testing.T) {
	m, _ := loaded(t)
	f := WithFaults(m, Faults{Pull: First(1, Lose(errFault)), Ack: First(1, Drop())})
	ds, err := f.Pull(t.Context(), 2)
	assert.Equal(t, errFault, err)
	assert.Nil(t, ds)
	ids, err := f.Push(t.Context(), "another", byteSlices("3"))
	require.NoError(t, err)
	ds, err = f.Pull(t.Context(), 2)
	require.NoError(t, err)
	assert.Equal(t, ids, idsOf(ds), "the second task is held")
	for _, want := range []uint64{3, 2} {
		require.NoError(t, f.Ack(t.Context(), ds))
		size, err := f.Size(t.Context())
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

// TestFaultsOfAll leaves some loops early, and wants nothing to be yielded after that.
func TestFaultsOfAll(t *testing.T) {
	m := NewMemory(nil)
	require.NoError(t, m.Save(t.Context(), records(1, 3)))
	unreadable := WithFaults(m, Faults{Record: Only(Fail(errFault), 2)})
	for name, row := range map[string]struct {
		eng   engine.Engine
		limit int
		ids   []uint64
		errs  []error
	}{
		"it fails at once":          {WithFaults(m, Faults{All: Fail(errFault)}), 9, []uint64{0}, []error{errFault}},
		"its end is lost":           {WithFaults(m, Faults{All: Lose(errFault)}), 9, []uint64{1, 2, 3, 0}, []error{nil, nil, nil, errFault}},
		"it is left before":         {WithFaults(m, Faults{All: Lose(errFault)}), 2, []uint64{1, 2}, []error{nil, nil}},
		"the engine inside fails":   {WithFaults(WithFaults(m, Faults{All: Fail(io.EOF)}), Faults{}), 9, []uint64{0}, []error{io.EOF}},
		"a record cannot be read":   {unreadable, 9, []uint64{1, 2, 3}, []error{nil, errFault, nil}},
		"one inside cannot be read": {WithFaults(unreadable, Faults{}), 9, []uint64{1, 2, 3}, []error{nil, errFault, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			var ids []uint64
			var errs []error
			for rec, err := range row.eng.All(t.Context()) {
				ids, errs = append(ids, rec.ID), append(errs, err)
				assert.Equal(t, err != nil, rec.Data == nil)
				if len(ids) == row.limit {
					break
				}
			}
			assert.Equal(t, row.ids, ids)
			assert.Equal(t, row.errs, errs)
		})
	}
}

// TestDownReachesCallsThatWait has calls wait in the engine and in faults.
func TestDownReachesCallsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := WithFaults(NewMemory(nil), Faults{
			Save: func(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
				<-ctx.Done()
				return ctx.Err()
			},
		})
		for _, row := range []struct {
			want error
			end  func()
		}{
			{errFault, func() { f.Down(errFault); f.Up() }},
			{engine.ErrClosed, func() { _ = f.Close() }},
		} {
			errs := make(chan error, 2)
			go func() { _, err := f.Pull(t.Context(), 1); errs <- err }()
			go func() { errs <- f.Save(t.Context(), nil) }()
			synctest.Wait()
			require.Empty(t, errs)
			row.end()
			assert.Equal(t, row.want, <-errs)
			assert.Equal(t, row.want, <-errs)
		}
		assert.Empty(t, f.made)
	})
}

func TestPanicAndGoexit(t *testing.T) {
	f := WithFaults(NewMemory(nil), Faults{Delete: Panic("boom"), Save: Chain(After(1, Goexit()))})
	assert.PanicsWithValue(t, "boom", func() { _ = f.Delete(t.Context(), []uint64{1}) })
	assert.NoError(t, f.Save(t.Context(), nil))
	ended, returned := make(chan struct{}), false
	go func() {
		defer close(ended)
		_ = f.Save(t.Context(), nil)
		returned = true
	}()
	<-ended
	assert.False(t, returned)
	assert.Empty(t, f.made)
}
