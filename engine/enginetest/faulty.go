package enginetest

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// Faults says which Fault each method of an engine has. A method whose Fault is nil works normally. Close, Lease
// and Retryable have none.
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
	NackAfter Fault // of the IDs of the deliveries
	Size      Fault // of no ID
	Describe  Fault // of no ID

	// Record applies to each record that a loop over All reaches, with its ID. Its error means that the record
	// cannot be read: it is yielded with the ID, and the loop goes on.
	Record Fault
}

// A Faulty is an engine that fails on purpose, for testing code that uses engines.
//
// It has the methods of all optional interfaces. If the engine inside lacks one, Wait, MarkStart, NackAfter, Size
// and Describe return an error matching [errors.ErrUnsupported], and Retryable returns what a pool assumes without
// it. To hide all optional methods:
//
//	struct{ engine.Engine }{faulty}
//
// It starts no goroutines, and waits by timers and channels only, so it can be used in a bubble of
// testing/synctest.
type Faulty struct {
	wrapped

	mu     sync.Mutex // guards all that follows
	faults Faults
	down   error // nil unless it is down
	closed bool
	made   map[*context.CancelCauseFunc]struct{} // of the calls that are being made
}

// WithFaults returns an engine that is eng except for its faults. Its Close closes eng.
func WithFaults(eng engine.Engine, faults Faults) *Faulty {
	f := &Faulty{
		faults: faults,
		made:   make(map[*context.CancelCauseFunc]struct{}),
	}
	f.wrapped = wrapped{wholeOf(eng), f.make}
	return f
}

// SetFaults replaces all faults, for calls that begin from now on.
func (f *Faulty) SetFaults(faults Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Down makes every method fail with err until Up, like an engine that cannot be reached, or, if err matches
// engine.ErrGone, one whose queue was deleted. Calls under way see their contexts cancelled with err. Those that
// have done their work by then still succeed, the others return err. err must not be nil.
func (f *Faulty) Down(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
	for cancel := range f.made {
		(*cancel)(err)
	}
}

// Up ends Down. The Faults stay as they were.
func (f *Faulty) Up() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = nil
}

// Close closes the engine inside, also while it is down. Calls under way see their contexts cancelled with
// [engine.ErrClosed].
func (f *Faulty) Close() error {
	f.mu.Lock()
	f.closed = true
	for cancel := range f.made {
		(*cancel)(engine.ErrClosed)
	}
	f.mu.Unlock()
	return f.eng.Close()
}

// call has do called through the method's fault, as long as the engine is neither down nor
// closed. Down and Close cancel its context.
func (f *Faulty) call(outer context.Context, method string, ids []uint64, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	f.mu.Lock()
	fault, down := reflect.ValueOf(f.faults).FieldByName(method).Interface().(Fault), f.down
	if f.closed {
		down = engine.ErrClosed
	}
	f.made[&cancel] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.made, &cancel)
	}()

	if down != nil {
		return down
	}
	err := kit.Call(ctx, fault, ids, do)
	if err != nil && ctx.Err() != nil && outer.Err() == nil {
		return context.Cause(ctx) // of Down or Close; the engine may have returned ctx.Err()
	}
	return err
}

// make makes every call but those of All and Close.
func (f *Faulty) make(c *call) {
	c.err = f.call(c.ctx, c.method, c.about(), func(ctx context.Context) error {
		c.ctx = ctx
		c.make(f.eng)
		return c.err
	})
	if c.err != nil && !errors.Is(c.err, engine.ErrFull) {
		*c = call{err: c.err}
	}
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

// Retryable implements [engine.Retryabler].
func (f *Faulty) Retryable(err error) bool {
	if f.eng.Retryabler != nil {
		return f.eng.Retryable(err)
	}
	return mayPass(err, engine.ErrTooLarge, engine.ErrGone, engine.ErrClosed, engine.ErrNotFound)
}

// mayPass reports whether err matches none of never.
func mayPass(err error, never ...error) bool {
	return !slices.ContainsFunc(never, func(e error) bool { return errors.Is(err, e) })
}

// A Fault stands between a caller and a method of an engine. It makes the call with do, at most once, and returns
// the error that the caller is to see: do's, or one of its own. It may return late, make no call, or panic instead.
// Beside an error, the method's other results are dropped, except the IDs beside ErrFull. An error of its own that
// matches engine.ErrRefused or engine.ErrGone means what these mean, so it must be true.
//
// ids are the IDs that the call is about; the Fault must neither keep nor change them. A Fault is called on the
// caller's goroutine, and by several at once. A nil Fault makes the call, inside another as well.
//
// Your own Fault takes a few lines. This one saves nothing until the test opens the gate, and ignores its context:
//
//	func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
//		<-gate
//		return do(ctx)
//	}
type Fault = func(ctx context.Context, ids []uint64, do func(context.Context) error) error

// Fail makes every call return err without doing anything. err must not be nil.
func Fail(err error) Fault { return kit.Failing[uint64](err) }

// Lose makes every call do its work and then return err nevertheless, as when the answer is lost on the way: pushed
// tasks are in the queue, and pulled tasks are held by nobody. err must not be nil.
func Lose(err error) Fault { return kit.Losing[uint64](err) }

// Drop makes every call return nil without doing anything, like an Ack that is sent and lost. It is for Ack, Nack,
// NackAfter and Extend: a method that returns a value would return nothing, which no engine does.
func Drop() Fault {
	return func(context.Context, []uint64, func(context.Context) error) error { return nil }
}

// Panic makes every call panic with v.
func Panic(v any) Fault {
	return func(context.Context, []uint64, func(context.Context) error) error { panic(v) }
}

// Goexit makes every call end its goroutine, as runtime.Goexit does, without doing anything.
func Goexit() Fault {
	return func(context.Context, []uint64, func(context.Context) error) error {
		runtime.Goexit()
		return nil
	}
}

// First applies f to the first n calls. Later calls work.
func First(n int, f Fault) Fault { return kit.First(n, f) }

// After is the opposite of First: the first n calls work, and f applies to later ones.
func After(n int, f Fault) Fault { return kit.After(n, f) }

// Only applies f to calls that are about one of these IDs. All others work.
func Only(f Fault, ids ...uint64) Fault { return kit.Only(f, ids...) }

// Chain makes every call go through all faults in their order, as far as they let it: Chain(After(1, Fail(err)),
// First(3, Panic(v))) panics once, and then fails.
func Chain(faults ...Fault) Fault { return kit.Chain(faults...) }
