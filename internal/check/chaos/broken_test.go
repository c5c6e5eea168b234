package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/check/chaos"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// enough is how many rounds a broken pool may pass before it is rejected.
const enough = 300

// TestOracleRejectsBroken shows that the oracle can fail: each of these pools is
// the real one with one fault, and is rejected within a few rounds.
func TestOracleRejectsBroken(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		if raceEnabled && name == "the naive pool" {
			continue // the race detector rejects it first, and this test with it
		}
		t.Run(name, func(t *testing.T) {
			for _, bubble := range []bool{true, false} {
				if !bubble && hangs[name] {
					continue // it would hang for as long as the watchdog lets it
				}
				rejected(t, bubble, broken[name])
			}
		})
	}
}

// rejected plays rounds of one kind until one fails.
func rejected(t *testing.T, bubble bool, newPool chaos.Maker) {
	t.Helper()
	rounds := 0
	for seed := uint64(1); rounds < enough; seed++ {
		if chaos.InBubble(seed) != bubble {
			continue
		}
		rounds++
		if err := playBatch(t, []uint64{seed}, newPool); err != nil {
			t.Logf("bubble %t: rejected by round %d: %.200v", bubble, rounds, err)
			return
		}
	}
	assert.Fail(t, "a broken pool was not rejected", "bubble %t, %d rounds", bubble, rounds)
}

// hangs names those that hold up their callers.
var hangs = map[string]bool{"Submit hangs after the close": true, "Done stays open": true, "the naive pool": true}

var broken = map[string]chaos.Maker{
	"a result is lost": withPut(func(n int64, put put, res result) error {
		if n == 5 {
			return nil
		}
		return put(res)
	}),
	"a result is stored twice": withPut(func(n int64, put put, res result) error {
		err := put(res)
		if n == 5 && err == nil {
			res.ID ^= 1 << 45
			return put(res)
		}
		return err
	}),
	"a result goes to another ID": withPut(func(n int64, put put, res result) error {
		if n == 5 {
			res.ID ^= 1 << 45
		}
		return put(res)
	}),
	"an error is flattened": withPut(func(_ int64, put put, res result) error {
		if res.Err != nil {
			res.Err = errors.New(res.Err.Error())
		}
		return put(res)
	}),
	"the value beside an error is lost": withPut(func(_ int64, put put, res result) error {
		if res.Err != nil {
			res.Value = 0
		}
		return put(res)
	}),
	"Goexit is a success": withPut(func(_ int64, put put, res result) error {
		if errors.Is(res.Err, pool.ErrGoexit) {
			res.Err = nil
		}
		return put(res)
	}),
	"a panic has no stack": withPut(func(_ int64, put put, res result) error {
		if p, ok := res.Err.(*pool.PanicError); ok { //nolint:errorlint // the very error
			res.Err = &pool.PanicError{Value: p.Value}
		}
		return put(res)
	}),
	"ErrNotRun has no cause": withPut(func(_ int64, put put, res result) error {
		if errors.Is(res.Err, pool.ErrNotRun) {
			res.Err = pool.ErrNotRun
		}
		return put(res)
	}),
	"a failing Put is given up": withPut(func(_ int64, put put, res result) error {
		if err := put(res); errors.Is(err, store.ErrExists) {
			return err
		}
		return nil
	}),
	"two values are swapped": withFn(func(w *wrap, ctx context.Context, t *chaos.Task) (int, error) {
		v, err := w.fn(ctx, t)
		if err != nil {
			return v, err
		}
		return int(w.last.Swap(int64(v))), nil
	}),
	"a task runs twice": withFn(func(w *wrap, ctx context.Context, t *chaos.Task) (int, error) {
		if w.calls.Add(1) == 5 {
			_, _ = w.fn(ctx, t)
		}
		return w.fn(ctx, t)
	}),
	"the task's context does not end": withFn(func(w *wrap, ctx context.Context, t *chaos.Task) (int, error) {
		return w.fn(context.WithoutCancel(ctx), t)
	}),
	"one worker too many":                with(func(w *wrap) chaos.Pool { return greedy{w} }),
	"a task is accepted after the close": with(func(w *wrap) chaos.Pool { return acceptsLate{w} }),
	"a refused task runs":                with(func(w *wrap) chaos.Pool { return runsRefused{w} }),
	"a task starts after the cancel":     startsLate,
	"Submit does not say closed":         with(func(w *wrap) chaos.Pool { return wrongError{w, pool.ErrQueueFull} }),
	"Submit does not say why":            with(func(w *wrap) chaos.Pool { return wrongError{w, pool.ErrClosed} }),
	"Submit ignores a done context":      with(func(w *wrap) chaos.Pool { return deaf{w} }),
	"Submit hangs after the close":       with(func(w *wrap) chaos.Pool { return hangsLate{w} }),
	"an ID is given out twice":           with(func(w *wrap) chaos.Pool { return doubles{w} }),
	"SubmitAll mixes up the IDs":         with(func(w *wrap) chaos.Pool { return reverses{w} }),
	"SubmitAll forgets what it accepted": with(func(w *wrap) chaos.Pool { return forgets{w} }),
	"a nil task is accepted":             with(func(w *wrap) chaos.Pool { return takesNil{w} }),
	"TrySubmit says full too soon":       with(func(w *wrap) chaos.Pool { return fullEarly{w} }),
	"Stats do not add up":                with(func(w *wrap) chaos.Pool { return stats{w, func(s *pool.Stats) { s.Succeeded++ }} }),
	"Stats count one too many":           with(func(w *wrap) chaos.Pool { return stats{w, func(s *pool.Stats) { s.Submitted++; s.Succeeded++ }} }),
	"Stats are of another moment":        with(func(w *wrap) chaos.Pool { return &stale{wrap: w} }),
	"Stats mix up failures": with(func(w *wrap) chaos.Pool {
		return stats{w, func(s *pool.Stats) { s.Failed, s.Panicked = s.Panicked, s.Failed }}
	}),
	"Stop does not wait":         with(func(w *wrap) chaos.Pool { return hasty{w} }),
	"Stop says that all is well": with(func(w *wrap) chaos.Pool { return cheerful{w} }),
	"two Stops disagree":         with(func(w *wrap) chaos.Pool { return moody{w} }),
	"Stop forgets a result":      with(func(w *wrap) chaos.Pool { return &thief{wrap: w} }),
	"Done is closed too soon":    with(func(w *wrap) chaos.Pool { return &early{wrap: w, done: make(chan struct{})} }),
	"Done stays open":            with(func(w *wrap) chaos.Pool { return never{w} }),
	"Wait does not wait":         with(func(w *wrap) chaos.Pool { return noWait{w} }),
	"Get does not wait":          with(func(w *wrap) chaos.Pool { return noGet{w} }),
	"Get returns another's":      with(func(w *wrap) chaos.Pool { return neighbour{w} }),
	"Get deletes":                with(func(w *wrap) chaos.Pool { return evicts{w} }),
	"Results mixes up the IDs":   with(func(w *wrap) chaos.Pool { return shifted{w} }),
	"Resize(0) is ignored":       with(func(w *wrap) chaos.Pool { return tireless{w} }),
	"Resize takes any number":    with(func(w *wrap) chaos.Pool { return anyNumber{w} }),
	"a goroutine is left":        with(func(w *wrap) chaos.Pool { go func() { select {} }(); return w }),
	"the naive pool":             newNaive,
}

type (
	result = store.Result[int]
	put    = func(result) error
)

// wrap is a real pool, for others to spoil.
type wrap struct {
	chaos.Pool
	fn    chaos.Func
	st    store.ResultStore[int]
	ctx   context.Context
	calls atomic.Int64
	last  atomic.Int64
}

// with makes pools that spoil methods.
func with(spoil func(*wrap) chaos.Pool) chaos.Maker {
	return func(ctx context.Context, fn chaos.Func, st store.ResultStore[int], opts *pool.Options) (chaos.Pool, error) {
		w := &wrap{fn: fn, st: st, ctx: ctx}
		p, err := chaos.Real(ctx, fn, st, opts)
		w.Pool = p
		return spoil(w), err
	}
}

// withFn makes pools that spoil the task function.
func withFn(spoiled func(w *wrap, ctx context.Context, t *chaos.Task) (int, error)) chaos.Maker {
	return func(ctx context.Context, fn chaos.Func, st store.ResultStore[int], opts *pool.Options) (chaos.Pool, error) {
		w := &wrap{fn: fn}
		return chaos.Real(ctx, func(ctx context.Context, t *chaos.Task) (int, error) { return spoiled(w, ctx, t) }, st, opts)
	}
}

// withPut makes pools that spoil the way to the store. n counts the Puts from 1.
func withPut(spoiled func(n int64, put put, res result) error) chaos.Maker {
	return func(ctx context.Context, fn chaos.Func, st store.ResultStore[int], opts *pool.Options) (chaos.Pool, error) {
		return chaos.Real(ctx, fn, spoil(st, spoiled), opts)
	}
}

// spoil keeps the reservation of IDs, which a wrapper hides, but no batches.
func spoil(st store.ResultStore[int], spoiled func(n int64, put put, res result) error) store.ResultStore[int] {
	s := &spoiledStore{ResultStore: st, spoiled: spoiled}
	if r, ok := st.(store.IDReserver); ok {
		return struct {
			*spoiledStore
			store.IDReserver
		}{s, r}
	}
	return s
}

type spoiledStore struct {
	store.ResultStore[int]
	spoiled func(n int64, put put, res result) error
	n       atomic.Int64
}

func (s *spoiledStore) Put(ctx context.Context, res result) error {
	return s.spoiled(s.n.Add(1), func(res result) error { return s.ResultStore.Put(ctx, res) }, res)
}

// startsLate starts tasks that the pool has found too late to start.
func startsLate(ctx context.Context, fn chaos.Func, st store.ResultStore[int], opts *pool.Options) (chaos.Pool, error) {
	var mu sync.Mutex
	tasks := make(map[store.ID]*chaos.Task)
	w := &wrap{fn: fn, st: st, ctx: ctx}
	p, err := chaos.Real(ctx, fn, spoil(st, func(_ int64, put put, res result) error {
		if errors.Is(res.Err, pool.ErrNotRun) {
			mu.Lock()
			t := tasks[res.ID]
			mu.Unlock()
			if t != nil {
				res.Value, res.Err = outcomeOf(func() (int, error) { return fn(ctx, t) })
			}
		}
		return put(res)
	}), opts)
	w.Pool = p
	return remembers{w, func(id store.ID, t *chaos.Task) {
		mu.Lock()
		defer mu.Unlock()
		tasks[id] = t
	}}, err
}

// outcomeOf calls f on a goroutine of its own, which may end as it likes.
func outcomeOf(f func() (int, error)) (v int, err error) {
	done := make(chan struct{})
	err = pool.ErrGoexit
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				err = &pool.PanicError{Value: p, Stack: []byte("somewhere")}
			}
		}()
		v, err = f()
	}()
	<-done
	return v, err
}

type remembers struct {
	*wrap
	tell func(store.ID, *chaos.Task)
}

func (p remembers) Submit(ctx context.Context, t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.Submit(ctx, t)
	if err == nil {
		p.tell(id, t)
	}
	return id, err
}

type greedy struct{ *wrap }

func (p greedy) Resize(n int) error {
	if n > 0 {
		n++
	}
	p.last.Store(int64(n))
	return p.wrap.Resize(n)
}

func (p greedy) Stats() pool.Stats {
	s := p.wrap.Stats()
	if n := p.last.Load(); n > 0 {
		s.Workers = int(n) - 1
	}
	return s
}

type acceptsLate struct{ *wrap }

func (p acceptsLate) Submit(ctx context.Context, t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.Submit(ctx, t)
	if errors.Is(err, pool.ErrClosed) {
		return 1 << 45, nil
	}
	return id, err
}

type runsRefused struct{ *wrap }

func (p runsRefused) TrySubmit(t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.TrySubmit(t)
	if errors.Is(err, pool.ErrClosed) && t != nil {
		_, _ = outcomeOf(func() (int, error) { return p.fn(p.ctx, t) })
	}
	return id, err
}

type wrongError struct {
	*wrap
	instead error
}

func (p wrongError) Submit(ctx context.Context, t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.Submit(ctx, t)
	if errors.Is(err, pool.ErrClosed) {
		err = p.instead
	}
	return id, err
}

type deaf struct{ *wrap }

func (p deaf) Submit(ctx context.Context, t *chaos.Task) (store.ID, error) {
	return p.wrap.Submit(context.WithoutCancel(ctx), t)
}

type hangsLate struct{ *wrap }

func (p hangsLate) TrySubmit(t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.TrySubmit(t)
	if errors.Is(err, pool.ErrClosed) {
		select {}
	}
	return id, err
}

type doubles struct{ *wrap }

func (p doubles) Submit(ctx context.Context, t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.Submit(ctx, t)
	if p.calls.Add(1) == 5 && err == nil {
		id = max(1, store.ID(p.last.Load()))
	}
	p.last.Store(int64(id))
	return id, err
}

type reverses struct{ *wrap }

func (p reverses) SubmitAll(ctx context.Context, in []*chaos.Task) ([]store.ID, error) {
	ids, err := p.wrap.SubmitAll(ctx, in)
	if len(ids) < 1000 { // those many are not looked at one by one
		slices.Reverse(ids)
	}
	return ids, err
}

type forgets struct{ *wrap }

func (p forgets) SubmitAll(ctx context.Context, in []*chaos.Task) ([]store.ID, error) {
	ids, err := p.wrap.SubmitAll(ctx, in)
	if err != nil {
		ids = nil
	}
	return ids, err
}

type takesNil struct{ *wrap }

func (p takesNil) Submit(ctx context.Context, t *chaos.Task) (store.ID, error) {
	if t == nil {
		t = new(chaos.Task)
	}
	return p.wrap.Submit(ctx, t)
}

type fullEarly struct{ *wrap }

func (p fullEarly) TrySubmit(t *chaos.Task) (store.ID, error) {
	if t != nil && p.calls.Add(1) == 2 {
		return 0, pool.ErrQueueFull
	}
	return p.wrap.TrySubmit(t)
}

type stats struct {
	*wrap
	spoil func(*pool.Stats)
}

func (p stats) Stats() pool.Stats {
	s := p.wrap.Stats()
	if s.Submitted > 3 {
		p.spoil(&s)
	}
	return s
}

type stale struct {
	*wrap
	mu  sync.Mutex
	old pool.Stats // guarded by mu
	n   int        // guarded by mu
}

func (p *stale) Stats() pool.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n++; p.n%4 != 3 {
		p.old = p.wrap.Stats()
	}
	return p.old
}

type hasty struct{ *wrap }

func (p hasty) Stop(ctx context.Context) error {
	if ctx.Value(p) == nil && ctx.Done() == nil {
		done, cancel := context.WithCancel(ctx)
		cancel()
		_ = p.wrap.Stop(done)
		return nil
	}
	return p.wrap.Stop(ctx)
}

type cheerful struct{ *wrap }

func (p cheerful) Stop(ctx context.Context) error {
	err := p.wrap.Stop(ctx)
	if errors.Is(err, pool.ErrInTask) || ctx.Err() != nil {
		return err
	}
	return nil
}

type moody struct{ *wrap }

func (p moody) Stop(ctx context.Context) error {
	err := p.wrap.Stop(ctx)
	if err != nil && p.calls.Add(1) == 2 {
		return fmt.Errorf("once more: %w", err)
	}
	return err
}

type thief struct {
	*wrap
	once   sync.Once
	stolen error
}

func (p *thief) Stop(ctx context.Context) error {
	err := p.wrap.Stop(ctx)
	var unsaved *pool.UnsavedError[int]
	if errors.As(err, &unsaved) {
		p.once.Do(func() { p.stolen = &pool.UnsavedError[int]{Results: unsaved.Results[1:], Err: unsaved.Err} })
		return p.stolen
	}
	return err
}

type early struct {
	*wrap
	once sync.Once
	done chan struct{}
}

func (p *early) Done() <-chan struct{} { return p.done }

func (p *early) Stop(ctx context.Context) error {
	p.once.Do(func() { close(p.done) })
	return p.wrap.Stop(ctx)
}

type never struct{ *wrap }

func (p never) Done() <-chan struct{} { return nil }

type noWait struct{ *wrap }

func (p noWait) Wait(ctx context.Context) error {
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.wrap.Wait(done); errors.Is(err, pool.ErrInTask) {
		return err
	}
	return nil
}

type noGet struct{ *wrap }

func (p noGet) Get(ctx context.Context, id store.ID) (int, error) {
	res, err := p.st.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	return res.Value, res.Err
}

type neighbour struct{ *wrap }

func (p neighbour) Get(ctx context.Context, id store.ID) (int, error) {
	v, err := p.wrap.Get(ctx, id)
	if res, err2 := p.st.Get(ctx, id-1); err2 == nil && p.calls.Add(1)%3 == 0 {
		return res.Value, err
	}
	return v, err
}

type evicts struct{ *wrap }

func (p evicts) Get(ctx context.Context, id store.ID) (int, error) {
	v, err := p.wrap.Get(ctx, id)
	_ = p.st.Delete(ctx, id)
	return v, err
}

type shifted struct{ *wrap }

func (p shifted) Results(ctx context.Context) (map[store.ID]result, error) {
	all, err := p.wrap.Results(ctx)
	moved := make(map[store.ID]result)
	for id, res := range all {
		moved[id+1] = res
	}
	return moved, err
}

type tireless struct{ *wrap }

func (p tireless) Resize(n int) error {
	if n == 0 {
		return nil
	}
	return p.wrap.Resize(n)
}

type anyNumber struct{ *wrap }

func (p anyNumber) Resize(n int) error { return p.wrap.Resize(max(n, 1)) }
