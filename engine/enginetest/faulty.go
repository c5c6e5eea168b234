package enginetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// Faults says which Fault each method of an engine has. A method whose Fault is nil
// works as it should. Close, Lease and Retryable have none.
type Faults struct {
	Push      Fault // of no ID: they are not known yet
	Pull      Fault // of no ID
	Ack       Fault // of the IDs of the deliveries
	Nack      Fault // of the same
	Extend    Fault // of the same
	Save      Fault // of the IDs of the records
	Load      Fault // of one ID
	Delete    Fault // of these IDs
	All       Fault // of no ID; its do is the whole loop
	Wait      Fault // of one ID
	MarkStart Fault // of one ID
	Size      Fault // of no ID
	Describe  Fault // of no ID

	// Record is of each record that a loop over All comes to, and of its ID. Its error is
	// that of a record that cannot be read: it is yielded with the ID, and the loop goes on.
	Record Fault
}

// of returns the fault of each method, by name.
func (fs *Faults) of() map[string]Fault {
	return map[string]Fault{
		"Push":      fs.Push,
		"Pull":      fs.Pull,
		"Ack":       fs.Ack,
		"Nack":      fs.Nack,
		"Extend":    fs.Extend,
		"Save":      fs.Save,
		"Load":      fs.Load,
		"Delete":    fs.Delete,
		"All":       fs.All,
		"Wait":      fs.Wait,
		"MarkStart": fs.MarkStart,
		"Size":      fs.Size,
		"Describe":  fs.Describe,
	}
}

// A Faulty is an engine that fails on purpose, to test what uses engines.
//
// It has the methods of all optional interfaces. If the engine inside lacks one, Wait,
// MarkStart, Size and Describe return an error matching [errors.ErrUnsupported], and
// Retryable is what is said where it is missing. To hide what is there, or is not:
//
//	struct{ engine.Engine }{faulty}
//
// It starts no goroutines, and waits by timers and channels only, so it can be used in
// a bubble of testing/synctest.
type Faulty struct {
	eng engine.Engine

	mu     sync.Mutex // guards all that follows
	faults Faults
	down   error // nil unless it is down
	closed bool
	calls  map[string]int
	made   map[*context.CancelCauseFunc]struct{} // of the calls that are being made
}

var _ interface {
	engine.Engine
	engine.Waiter
	engine.StartMarker
	engine.Sizer
	engine.Describer
	engine.Retryabler
} = (*Faulty)(nil)

// WithFaults returns an engine that is eng but for its faults. Its Close closes eng.
func WithFaults(eng engine.Engine, faults Faults) *Faulty {
	return &Faulty{
		eng:    eng,
		faults: faults,
		calls:  make(map[string]int),
		made:   make(map[*context.CancelCauseFunc]struct{}),
	}
}

// SetFaults replaces all faults, for calls that begin from now on.
func (f *Faulty) SetFaults(faults Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Down has every method fail with err until Up, as an engine that cannot be reached, or
// with one that matches engine.ErrGone, one whose queue was deleted.
// Calls that are being made see their contexts cancelled with err. Those that have done
// their work by then still succeed, the others return err. err must not be nil.
func (f *Faulty) Down(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
	for cancel := range f.made {
		(*cancel)(err)
	}
}

// Up ends what Down has begun. Faults are as they were.
func (f *Faulty) Up() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = nil
}

// Calls returns how often a method was called so far, by its name as in Faults,
// whatever came of it. A call is counted when it begins, and that of All when its loop
// does. Calls panics if there is no such method.
func (f *Faulty) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.faults.of()[method]; !ok {
		panic("enginetest: no method of an engine that can fail is called " + method)
	}
	return f.calls[method]
}

// Close closes the engine inside, also while it is down. Calls that are being made see
// their contexts cancelled with [engine.ErrClosed].
func (f *Faulty) Close() error {
	f.mu.Lock()
	f.closed = true
	for cancel := range f.made {
		(*cancel)(engine.ErrClosed)
	}
	f.mu.Unlock()
	return f.eng.Close()
}

// begin counts a call and chooses its fault. The call's context is done when Down or
// Close is called, and end must be called at its end.
func (f *Faulty) begin(ctx context.Context, method string) (context.Context, Fault, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	if f.closed {
		return nil, nil, nil, engine.ErrClosed
	}
	if f.down != nil {
		return nil, nil, nil, f.down
	}
	ctx, cancel := context.WithCancelCause(ctx)
	f.made[&cancel] = struct{}{}
	end := func() {
		f.mu.Lock()
		delete(f.made, &cancel)
		f.mu.Unlock()
		cancel(nil)
	}
	return ctx, f.faults.of()[method], end, nil
}

// call makes a call as long as the engine is neither down nor closed.
func (f *Faulty) call(outer context.Context, method string, ids []uint64, do func(context.Context) error) error {
	ctx, fault, end, err := f.begin(outer, method)
	if err != nil {
		return err
	}
	defer end()
	err = kit.Call(ctx, fault, ids, do)
	if err != nil && ctx.Err() != nil && outer.Err() == nil {
		return context.Cause(ctx) // of Down or Close; the engine may have returned ctx.Err()
	}
	return err
}

// ask makes a call that returns a V, or nothing with an error.
func ask[V any](f *Faulty, ctx context.Context, method string, ids []uint64, do func(context.Context) (V, error)) (V, error) {
	var v V
	err := f.call(ctx, method, ids, func(ctx context.Context) (err error) {
		v, err = do(ctx)
		return err
	})
	if err != nil && !errors.Is(err, engine.ErrFull) {
		v = *new(V)
	}
	return v, err
}

// Push implements [engine.Queue].
func (f *Faulty) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	return ask(f, ctx, "Push", nil, func(ctx context.Context) ([]uint64, error) { return f.eng.Push(ctx, key, tasks) })
}

// Pull implements [engine.Queue].
func (f *Faulty) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	return ask(f, ctx, "Pull", nil, func(ctx context.Context) ([]engine.Delivery, error) { return f.eng.Pull(ctx, limit) })
}

// Ack implements [engine.Queue].
func (f *Faulty) Ack(ctx context.Context, ds []engine.Delivery) error {
	return f.call(ctx, "Ack", idsOf(ds), func(ctx context.Context) error { return f.eng.Ack(ctx, ds) })
}

// Nack implements [engine.Queue].
func (f *Faulty) Nack(ctx context.Context, ds []engine.Delivery) error {
	return f.call(ctx, "Nack", idsOf(ds), func(ctx context.Context) error { return f.eng.Nack(ctx, ds) })
}

// Extend implements [engine.Queue].
func (f *Faulty) Extend(ctx context.Context, ds []engine.Delivery) error {
	return f.call(ctx, "Extend", idsOf(ds), func(ctx context.Context) error { return f.eng.Extend(ctx, ds) })
}

func idsOf(ds []engine.Delivery) []uint64 {
	ids := make([]uint64, len(ds))
	for i, d := range ds {
		ids[i] = d.ID
	}
	return ids
}

// Lease implements [engine.Queue].
func (f *Faulty) Lease() time.Duration { return f.eng.Lease() }

// Save implements [engine.Results].
func (f *Faulty) Save(ctx context.Context, recs []engine.Record) error {
	ids := make([]uint64, len(recs))
	for i, rec := range recs {
		ids[i] = rec.ID
	}
	return f.call(ctx, "Save", ids, func(ctx context.Context) error { return f.eng.Save(ctx, recs) })
}

// Load implements [engine.Results].
func (f *Faulty) Load(ctx context.Context, id uint64) ([]byte, error) {
	return ask(f, ctx, "Load", []uint64{id}, func(ctx context.Context) ([]byte, error) { return f.eng.Load(ctx, id) })
}

// Delete implements [engine.Results].
func (f *Faulty) Delete(ctx context.Context, ids []uint64) error {
	return f.call(ctx, "Delete", slices.Clone(ids), func(ctx context.Context) error { return f.eng.Delete(ctx, ids) })
}

// All implements [engine.Results].
func (f *Faulty) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	return func(yield func(engine.Record, error) bool) {
		left := false
		f.mu.Lock()
		read := f.faults.Record
		f.mu.Unlock()
		err := f.call(ctx, "All", nil, func(ctx context.Context) error {
			for rec, err := range f.eng.All(ctx) {
				if err == nil {
					err = kit.Call(ctx, read, []uint64{rec.ID}, func(context.Context) error { return nil })
				}
				if err != nil {
					if rec.ID == 0 {
						return err
					}
					rec.Data = nil
				}
				if !yield(rec, err) {
					left = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !left {
			yield(engine.Record{}, err)
		}
	}
}

// Wait implements [engine.Waiter].
func (f *Faulty) Wait(ctx context.Context, id uint64) ([]byte, error) {
	return askOptional(f, ctx, "Wait", []uint64{id}, func(ctx context.Context, w engine.Waiter) ([]byte, error) {
		return w.Wait(ctx, id)
	})
}

// MarkStart implements [engine.StartMarker].
func (f *Faulty) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	return askOptional(f, ctx, "MarkStart", []uint64{id}, func(ctx context.Context, sm engine.StartMarker) (int, error) {
		return sm.MarkStart(ctx, id, n)
	})
}

// Size implements [engine.Sizer].
func (f *Faulty) Size(ctx context.Context) (uint64, error) {
	return askOptional(f, ctx, "Size", nil, func(ctx context.Context, s engine.Sizer) (uint64, error) {
		return s.Size(ctx)
	})
}

// Describe implements [engine.Describer].
func (f *Faulty) Describe(ctx context.Context, kind string) (string, error) {
	return askOptional(f, ctx, "Describe", nil, func(ctx context.Context, d engine.Describer) (string, error) {
		return d.Describe(ctx, kind)
	})
}

// askOptional is ask of a method of the optional interface I, if the engine inside has it.
func askOptional[I, V any](f *Faulty, ctx context.Context, method string, ids []uint64, do func(context.Context, I) (V, error)) (V, error) {
	return ask(f, ctx, method, ids, func(ctx context.Context) (V, error) {
		if inside, ok := f.eng.(I); ok {
			return do(ctx, inside)
		}
		return *new(V), fmt.Errorf("enginetest: the engine inside has no method %s: %w", method, errors.ErrUnsupported)
	})
}

// Retryable implements [engine.Retryabler].
func (f *Faulty) Retryable(err error) bool {
	if r, ok := f.eng.(engine.Retryabler); ok {
		return r.Retryable(err)
	}
	return mayPass(err, engine.ErrTooLarge, engine.ErrGone, engine.ErrClosed, engine.ErrNotFound)
}

// mayPass reports whether err matches none of never.
func mayPass(err error, never ...error) bool {
	return !slices.ContainsFunc(never, func(e error) bool { return errors.Is(err, e) })
}
