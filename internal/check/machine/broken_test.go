package machine_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/resultpool/resultpool/internal/check/machine"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// few is how many steps a fault may take to show, once rapid has made them few.
const few = 10

// TestMachineRejectsBroken shows that the machine finds pools with one fault, and
// that what it finds can be read.
func TestMachineRejectsBroken(t *testing.T) {
	set(t, "rapid.nofailfile", "true")
	set(t, "rapid.checks", "2000")
	set(t, "rapid.shrinktime", "3s")
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		t.Run(name, func(t *testing.T) {
			var steps []string // of the last walk, which is the smallest
			var thrown any
			tb := &silent{name: t.Name()}
			tb.check(func(rt *rapid.T) {
				walk(t, rt, broken[name], func(s []string, v any) { steps, thrown = s, v })
			})
			assert.True(t, tb.Failed(), "a broken pool was not rejected")
			assert.NotEmpty(t, steps)
			assert.LessOrEqual(t, len(steps), few, "%s", strings.Join(steps, "\n"))
			t.Logf("%s: %v", strings.Join(steps, "; "), thrown)
		})
	}
}

// silent is the TB of a check that is to fail.
type silent struct {
	rapid.TB
	name   string
	failed bool
}

// check runs rapid's check on a goroutine of its own, which ends when it fails.
func (s *silent) check(prop func(*rapid.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		rapid.Check(s, prop)
	}()
	<-done
}

func (s *silent) Helper()               {}
func (s *silent) Name() string          { return s.name }
func (s *silent) Logf(string, ...any)   {}
func (s *silent) Log(...any)            {}
func (s *silent) Errorf(string, ...any) { s.failed = true }
func (s *silent) FailNow()              { s.failed = true; runtime.Goexit() }
func (s *silent) Failed() bool          { return s.failed }

var broken = map[string]machine.Maker{
	"Stop drops the tasks that wait":           with(func(p machine.Pool) machine.Pool { return &drops{Pool: p} }),
	"Stop returns at once":                     with(func(p machine.Pool) machine.Pool { return hasty{p} }),
	"Stop is deaf to its context":              with(func(p machine.Pool) machine.Pool { return deafStop{p} }),
	"Stop inside a task says nothing":          with(func(p machine.Pool) machine.Pool { return mute{p} }),
	"Resize is one short":                      with(func(p machine.Pool) machine.Pool { return short{p} }),
	"Resize(0) stops the running tasks' heirs": with(func(p machine.Pool) machine.Pool { return tireless{p} }),
	"Get does not wait":                        with(func(p machine.Pool) machine.Pool { return noGet{p} }),
	"Wait returns at once":                     with(func(p machine.Pool) machine.Pool { return noWait{p} }),
	"Submit is deaf to its context":            with(func(p machine.Pool) machine.Pool { return deafSubmit{p} }),
	"Submit does not wait for room":            with(func(p machine.Pool) machine.Pool { return impatient{p} }),
	"SubmitAll goes backwards":                 with(func(p machine.Pool) machine.Pool { return backwards{p} }),
	"TrySubmit waits for room":                 with(func(p machine.Pool) machine.Pool { return patient{p} }),
	"the cause is not told":                    with(func(p machine.Pool) machine.Pool { return noCause{p} }),
	"Stats count Goexit as a panic":            with(func(p machine.Pool) machine.Pool { return goexitPanics{p} }),
	"room for one task more": func(ctx context.Context, fn fn, st store.ResultStore[int], opts *pool.Options) (machine.Pool, error) {
		return machine.Real(ctx, fn, st, &pool.Options{Workers: opts.Workers, Queue: opts.Queue + 1})
	},
	"a failing Put is given up": func(ctx context.Context, fn fn, st store.ResultStore[int], opts *pool.Options) (machine.Pool, error) {
		return machine.Real(ctx, fn, givesUp{st}, opts)
	},
	"a task outlives the cancel unheard": func(ctx context.Context, fn fn, st store.ResultStore[int], opts *pool.Options) (machine.Pool, error) {
		return machine.Real(ctx, func(ctx context.Context, j *machine.Job) (int, error) { return fn(context.WithoutCancel(ctx), j) }, st, opts)
	},
	"a result is written after Get has woken": func(ctx context.Context, fn fn, st store.ResultStore[int], opts *pool.Options) (machine.Pool, error) {
		return machine.Real(ctx, fn, &lags{ResultStore: st}, opts)
	},
}

type fn = func(context.Context, *machine.Job) (int, error)

func with(spoil func(machine.Pool) machine.Pool) machine.Maker {
	return func(ctx context.Context, fn fn, st store.ResultStore[int], opts *pool.Options) (machine.Pool, error) {
		p, err := machine.Real(ctx, fn, st, opts)
		return spoil(p), err
	}
}

// drops leaves unrun what waits when Stop is called, and hides how it does it.
type drops struct {
	machine.Pool
	workers atomic.Int64
}

func (p *drops) Stop(ctx context.Context) error {
	if n := p.Pool.Stats().Workers; n > 0 && p.workers.CompareAndSwap(0, int64(n)) {
		_ = p.Resize(0)
	}
	return p.Pool.Stop(ctx)
}

func (p *drops) Stats() pool.Stats {
	s := p.Pool.Stats()
	if n := p.workers.Load(); n > 0 {
		s.Workers = int(n)
	}
	return s
}

type hasty struct{ machine.Pool }

func (p hasty) Stop(ctx context.Context) error {
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Pool.Stop(done); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

type deafStop struct{ machine.Pool }

func (p deafStop) Stop(ctx context.Context) error { return p.Pool.Stop(context.WithoutCancel(ctx)) }

type mute struct{ machine.Pool }

func (p mute) Stop(ctx context.Context) error {
	if err := p.Pool.Stop(ctx); !errors.Is(err, pool.ErrInTask) {
		return err
	}
	return nil
}

type short struct{ machine.Pool }

func (p short) Resize(n int) error {
	if n > 2 {
		n--
	}
	return p.Pool.Resize(n)
}

type tireless struct{ machine.Pool }

func (p tireless) Resize(n int) error {
	if n == 0 {
		n = 1
	}
	return p.Pool.Resize(n)
}

type noGet struct{ machine.Pool }

func (p noGet) Get(ctx context.Context, id store.ID) (int, error) {
	done, cancel := context.WithCancel(ctx)
	cancel()
	v, err := p.Pool.Get(done, id)
	if errors.Is(err, context.Canceled) {
		err = store.ErrNotFound
	}
	return v, err
}

type noWait struct{ machine.Pool }

func (p noWait) Wait(ctx context.Context) error {
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Pool.Wait(done); errors.Is(err, pool.ErrInTask) {
		return err
	}
	return nil
}

type deafSubmit struct{ machine.Pool }

func (p deafSubmit) Submit(ctx context.Context, j *machine.Job) (store.ID, error) {
	return p.Pool.Submit(context.WithoutCancel(ctx), j)
}

type impatient struct{ machine.Pool }

func (p impatient) Submit(_ context.Context, j *machine.Job) (store.ID, error) {
	return p.TrySubmit(j)
}

type backwards struct{ machine.Pool }

func (p backwards) SubmitAll(ctx context.Context, jobs []*machine.Job) ([]store.ID, error) {
	ids, err := p.Pool.SubmitAll(ctx, jobs)
	slices.Reverse(ids)
	return ids, err
}

type patient struct{ machine.Pool }

func (p patient) TrySubmit(j *machine.Job) (store.ID, error) {
	return p.Submit(context.Background(), j)
}

type noCause struct{ machine.Pool }

func (p noCause) Submit(ctx context.Context, j *machine.Job) (store.ID, error) {
	id, err := p.Pool.Submit(ctx, j)
	if errors.Is(err, pool.ErrClosed) {
		err = pool.ErrClosed
	}
	return id, err
}

type goexitPanics struct{ machine.Pool }

func (p goexitPanics) Stats() pool.Stats {
	s := p.Pool.Stats()
	s.Panicked, s.Failed = s.Panicked+s.Failed, 0
	return s
}

type givesUp struct{ store.ResultStore[int] }

func (s givesUp) Put(ctx context.Context, res store.Result[int]) error {
	if err := s.ResultStore.Put(ctx, res); errors.Is(err, store.ErrRejected) || errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

// lags stores each result when the next one comes.
type lags struct {
	store.ResultStore[int]
	last atomic.Pointer[store.Result[int]]
}

func (s *lags) Put(ctx context.Context, res store.Result[int]) error {
	last := s.last.Swap(&res)
	if last == nil {
		return nil
	}
	return s.ResultStore.Put(ctx, *last)
}
