package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// FuzzPool reads the life of a small pool from bytes, lives it in a bubble, and looks
// whether the pool has kept its promises: each accepted task has one result, of the
// right kind, the numbers add up at each step, no worker sleeps while a task waits,
// everything that waits returns, and the pool ends. (synctest finds it if not.)
//
// The first two bytes are the workers, the queue and how many tasks of one key may run at once, if there are keys,
// whether the store takes batches, whether each step is waited for, and of which of two lists the steps are: the first one
// is that of old inputs. Each byte after that is one thing that a user, a task or a store may do.
func FuzzPool(f *testing.F) {
	f.Add([]byte{1, 3, 0x00, 0x01, 0x02, 0x03, 0x14, 0x24, 0x44, 0x18, 0x09, 0x0e})
	f.Add([]byte{2, 0x43, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0, 0x81, 0x82, 0x83, 0x94, 0x95, 0x86, 0x17, 0x8b, 0x1b, 0x91})
	f.Add([]byte{3, 0x66, 0x87, 0xf7, 0x82, 0x03, 0xa1, 0x93, 0x84, 0xa5, 0xb0, 0xb1, 0xd2, 0x08, 0x3b, 0x86, 0x0f})
	f.Add([]byte{2, 0x81, 0x77, 0x36, 0x1c, 0x00, 0x6b, 0x0a, 0x2c, 0x4c, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || len(data) > 120 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			l := newLife(t, dense.New[int](), data[0]&0x40 != 0, &pool.Options{
				Workers: int(data[0]&7) + 1, Queue: int(data[1]&15) + 1, PerKey: int(data[1] >> 4 & 3)})
			for _, b := range data[2:] {
				l.still = data[1]&0x80 == 0
				switch what, arg := int(b&15), int(b>>4); {
				case data[1]&0x40 == 0:
					l.step(what, arg)
				case arg < 8:
					l.step(what, 2*arg)
				default:
					l.step(16+what%8, arg%8+what&8)
				}
				l.still = false
				if data[1]&0x80 == 0 {
					synctest.Wait()
					l.check()
				}
			}
			l.end(int(data[0] >> 3))
		})
	})
}

// life is one pool, and what is done to it.
type life struct {
	account
	t     *testing.T
	users sync.WaitGroup // goroutines that use the pool
	apart func(func())   // runs what may wait
	unit  time.Duration  // of the time that users have
	mode  atomic.Int64   // of the store
	room  int            // of the queue
	still bool           // all others wait for something, when a step begins
}

const (
	storeWorks = iota
	storeFails // until it works again
	storeRejects
	storePanics
	storeModes
)

func newLife(t *testing.T, st store.ResultStore[int], batch bool, opts *pool.Options) *life {
	l := &life{t: t, room: opts.Queue, unit: 50 * time.Millisecond}
	l.apart = l.users.Go
	l.put = func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
		switch l.mode.Load() {
		case storeFails:
			return errDown
		case storeRejects: // once
			l.mode.CompareAndSwap(storeRejects, storeWorks)
			return store.ErrRejected
		case storePanics: // once
			l.mode.CompareAndSwap(storePanics, storeWorks)
			panic("store")
		}
		return do(ctx)
	}
	l.open(t, st, batch, opts)
	return l
}

// limited runs, apart, what a user gives up after so many units.
func (l *life) limited(units int, f func(ctx context.Context)) {
	l.apart(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(units)*l.unit)
		defer cancel()
		f(ctx)
	})
}

// step does one thing.
func (l *life) step(what, arg int) {
	ctx := context.Background()
	switch what {
	case 0, 1, 2, 3:
		l.apart(func() { _ = l.submit(ctx, l.deed(behaviour(what))) })
	case 4, 5:
		l.apart(func() { _ = l.submit(ctx, l.deed(waits+behaviour(arg%2))) })
	case 6:
		l.limited(1+arg, func(ctx context.Context) {
			in := make([]deed, 1+arg)
			for i := range in {
				in[i] = l.deed(behaviour(i+arg) % stops)
			}
			_ = l.submitAll(ctx, in)
		})
	case 7:
		l.apart(func() { _ = l.trySubmit(l.deed(behaviour(arg) % (stops + 1))) })
	case 8:
		l.openGate(arg % 4)
	case 9:
		l.resize(arg % 6)
	case 10:
		l.limited(20*arg, func(ctx context.Context) {
			if arg%4 != 0 {
				l.get(ctx, store.ID(1+arg*int(l.next.Load())/16))
			} else if err := l.p.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				l.fault("Wait: %v", err)
			}
		})
	case 11:
		time.Sleep(time.Duration(2*arg) * l.unit)
	case 12:
		mode := arg % storeModes
		l.storeFailed.Store(l.storeFailed.Load() || mode != storeWorks)
		l.mode.Store(int64(mode))
	case 13:
		l.limited(arg, func(ctx context.Context) {
			_ = l.submit(ctx, l.deed(submits))
			_ = l.submitAll(ctx, []deed{l.deed(asks), l.deed(waits)})
		})
	case 14:
		if arg <= 4 { // seldom: it is the end
			l.stop(20 * arg)
			return
		}
		for res := range l.inner.All(ctx) {
			l.mu.Lock()
			l.deleted[res.ID] = true
			l.mu.Unlock()
			_ = l.inner.Delete(ctx, res.ID)
			break
		}
	case 15:
		if arg <= 4 {
			l.cancelled.Store(true)
			l.cancel(errCause)
		} else if _, err := l.p.Results(ctx); err != nil {
			l.fault("Results: %v", err)
		}
	case 16:
		l.apart(func() { _ = l.submit(ctx, l.repeatedly(arg)) })
	case 17:
		l.callOff(l.recent(arg), l.still)
	case 18:
		l.peek(l.recent(arg), l.still)
	case 19:
		l.limited(20*arg, func(ctx context.Context) { l.result(ctx, l.recent(arg)) })
	case 20:
		l.limited(20*arg, func(ctx context.Context) {
			l.getAll(ctx, []store.ID{l.recent(arg), l.recent(arg / 2), l.recent(arg), l.recent(1)}, 1+arg)
		})
	case 21:
		l.limited(5*arg, func(ctx context.Context) { l.finish(ctx, arg) })
	case 22:
		l.listRunning()
		l.callOff(l.recent(0), l.still)
	case 23:
		l.limited(1+arg, func(ctx context.Context) {
			_ = l.submitAll(ctx, []deed{l.deed(succeeds), l.repeatedly(arg), l.deed(quits), l.repeatedly(arg + 1), l.deed(obeys)})
		})
	}
}

// repeatedly returns a deed that asks to be run again.
func (l *life) repeatedly(arg int) deed {
	d := l.deed(behaviour(arg) % behaviours)
	d.again = 1 + arg%3
	d.pause = time.Duration(arg%4) * 3 * l.unit
	return d
}

// recent returns the ID of a task, if there are so many.
func (l *life) recent(back int) store.ID { return store.ID(max(1, int(l.next.Load())-back)) }

func (l *life) resize(n int) {
	if n == 0 {
		l.emptied.Store(true)
	}
	l.mu.Lock()
	l.most = max(l.most, n)
	l.mu.Unlock()
	if err := l.p.Resize(n); err != nil && !errors.Is(err, pool.ErrClosed) {
		l.fault("Resize(%d): %v", n, err)
	}
}

// stop calls Stop, apart, with a limit unless that is 0.
func (l *life) stop(units int) {
	l.stopped.Store(true)
	l.users.Go(func() {
		ctx := context.Background()
		if units > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(units)*l.unit)
			defer cancel()
		}
		err := l.p.Stop(ctx)
		var unsaved *pool.UnsavedError[int]
		switch {
		case err == nil, units > 0 && errors.Is(err, context.DeadlineExceeded):
		case errors.As(err, &unsaved) && l.storeFailed.Load():
		case (errors.Is(err, errCause) || errors.Is(err, pool.ErrNotRun)) && l.over():
		default:
			l.fault("Stop: %v", err)
		}
	})
}

// check looks at a pool of which every goroutine waits for something.
func (l *life) check() {
	s := l.p.Stats()
	l.mu.Lock()
	defer l.mu.Unlock()
	checkStats(l.t, s)
	if l.perKey > 0 && l.batches.Load() > 0 {
		// Which tasks are there is not known.
	} else if held := l.heldBackLocked(); s.Queued > held && s.Running < uint64(s.Workers) && !l.cancelled.Load() {
		l.t.Errorf("%d tasks wait, %d of them not for a worker, and of %d workers %d are busy", s.Queued, held, s.Workers, s.Running)
	}
	if n := len(l.p.Running()); uint64(n) != s.Running {
		l.t.Errorf("Running has %d tasks, %+v", n, s)
	}
	if l.batches.Load() == 0 && l.singles.Load() > 0 && s.Queued < uint64(l.room) && s.Workers > 0 {
		l.t.Errorf("%d submitters wait while there is room: %+v", l.singles.Load(), s)
	}
	if s.Submitted < uint64(len(l.accepted)) { // a submitter that waits has some accepted that we do not know of
		l.t.Errorf("%d tasks accepted, %+v", len(l.accepted), s)
	}
	if len(l.faults) > 0 {
		l.t.Fatalf("%q", l.faults)
	}
}

// end ends the pool, in one of three ways unless it is ended, and settles the account.
func (l *life) end(how int) {
	switch how % 4 {
	case 0:
		l.cancelled.Store(true)
		l.cancel(errCause)
	case 1:
		l.emptied.Store(true)
		_ = l.p.Resize(0)
	default:
		_ = l.p.Resize(1)
	}
	l.stop(0)
	if how%4 != 0 || how%8 == 4 { // a cancelled pool ends also if the store is down
		l.mode.Store(storeWorks)
	}
	go func() {
		for { // tasks that wait for a gate may be some that are not submitted yet
			select {
			case <-l.p.Done():
				return
			case <-time.After(20 * l.unit):
				for i := range len(l.gates) {
					l.openGate(i)
				}
			}
		}
	}()
	<-l.p.Done()
	l.users.Wait()
	checkStats(l.t, l.p.Stats())
	kept, err := store.Snapshot(context.Background(), l.inner)
	assert.NoError(l.t, err)
	assert.Equal(l.t, len(kept), l.finish(context.Background(), len(kept)), "what is left is yielded")
	assert.NoError(l.t, l.settle())
}

// TestNoLostWakeUp does everything at once that wakes and stops workers, and looks
// whenever all is still: no worker may be missing while a task waits, and no
// submitter may wait while there is room for it; see life.check. A lost wake-up shows
// here that later traffic would heal and other tests not see. (pond #74, #86: a worker left while tasks were added, and
// Stop hung with one worker.)
func TestNoLostWakeUp(t *testing.T) {
	rounds := 2000
	if raceEnabled {
		rounds = 200
	}
	for range rounds {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			l := newLife(t, dense.New[int](), false, &pool.Options{
				Workers: 1 + rng.IntN(6), Queue: 1 + rng.IntN(12), PerKey: max(0, rng.IntN(6)-3)})
			l.unit = 300 * time.Microsecond
			for range 20 {
				for range 1 + rng.IntN(6) {
					l.step([]int{2, 3, 4, 5, 5, 5, 6, 7, 7, 8, 8, 8, 8, 9, 16, 16, 17, 22, 23}[rng.IntN(19)], rng.IntN(8))
					if rng.IntN(3) == 0 {
						runtime.Gosched()
					}
				}
				synctest.Wait()
				if l.check(); t.Failed() {
					t.Logf("seed %d", seed)
					break
				}
				if rng.IntN(4) == 0 {
					time.Sleep(3 * time.Millisecond)
				}
			}
			l.end(0)
		})
		if t.Failed() {
			return
		}
	}
}
