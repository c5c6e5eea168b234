package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// FuzzPool reads the life of a small pool from bytes, lives it in a bubble, and looks
// whether the pool has kept its promises: each accepted task has one result, of the
// right kind, the numbers add up at each step, no worker sleeps while a task waits,
// everything that waits returns, and the pool ends. (synctest finds it if not.)
//
// The first two bytes are the workers and the queue, and whether each step is waited
// for. Each byte after that is one thing that a user, a task or a store may do.
func FuzzPool(f *testing.F) {
	f.Add([]byte{1, 3, 0x00, 0x01, 0x02, 0x03, 0x14, 0x24, 0x44, 0x18, 0x09, 0x0e})
	f.Add([]byte{2, 0x81, 0x77, 0x36, 0x1c, 0x00, 0x6b, 0x0a, 0x2c, 0x4c, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || len(data) > 120 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			l := newLife(t, int(data[0]&7)+1, int(data[1]&15)+1)
			for _, b := range data[2:] {
				l.step(int(b&15), int(b>>4))
				if data[1]&0x80 == 0 {
					synctest.Wait()
					l.check()
				}
			}
			l.end(int(data[0] >> 3))
		})
	})
}

// A deed is a task: what it does.
type deed struct {
	number int // its own; it is the value, too
	does   int
	gate   chan struct{}
}

const (
	deedSucceeds = iota
	deedFails
	deedPanics
	deedGoexits
	deedWaits   // for its gate, whatever becomes of its context
	deedObeys   // waits for its gate or its context
	deedSubmits // another, from inside
	deedAsks    // everything of its own pool that could be a deadlock
	deedStops
	deeds
)

var errDeed = errors.New("the deed failed")

// life is one pool, its store, and what is known of both.
type life struct {
	t      *testing.T
	p      *pool.Pool[deed, int]
	cancel context.CancelCauseFunc
	users  sync.WaitGroup // goroutines that use the pool
	next   atomic.Int64   // numbers of the deeds
	inner  store.ResultStore[int]

	mode      atomic.Int64 // of the store
	stopped   atomic.Bool  // Stop was called
	cancelled atomic.Bool  // the pool was cancelled
	emptied   atomic.Bool  // the pool was resized to nothing at some time
	failed    atomic.Bool  // the store has failed or refused at some time

	mu       sync.Mutex
	gates    [4]chan struct{}               // guarded by mu
	accepted map[store.ID]deed              // guarded by mu
	puts     map[store.ID]store.Result[int] // all that were stored; guarded by mu
	deleted  map[store.ID]bool              // guarded by mu
	runs     map[int]int                    // by number; guarded by mu
	running  int                            // guarded by mu
	most     int                            // workers that there have been allowed; guarded by mu
	faults   []string                       // guarded by mu
}

const (
	storeWorks = iota
	storeFails // until it works again
	storeRejects
	storePanics
	storeModes
)

func newLife(t *testing.T, workers, room int) *life {
	l := &life{
		t: t, inner: dense.New[int](), most: workers,
		accepted: make(map[store.ID]deed), puts: make(map[store.ID]store.Result[int]),
		deleted: make(map[store.ID]bool), runs: make(map[int]int),
	}
	for i := range l.gates {
		l.gates[i] = make(chan struct{})
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	l.cancel = cancel
	p, err := pool.New(ctx, l.do, &lifeStore{l.inner, l}, &pool.Options{Workers: workers, Queue: room})
	require.NoError(t, err)
	l.p = p
	return l
}

func (l *life) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// lifeStore counts what is stored, and fails as it is told to.
type lifeStore struct {
	store.ResultStore[int]
	l *life
}

func (s *lifeStore) Put(ctx context.Context, res store.Result[int]) error {
	l := s.l
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
	l.mu.Lock()
	defer l.mu.Unlock()
	err := s.ResultStore.Put(ctx, res)
	if _, twice := l.puts[res.ID]; twice || err != nil {
		l.faults = append(l.faults, fmt.Sprintf("result %d was put twice: %v", res.ID, err))
	}
	l.puts[res.ID] = res
	return err
}

// do is the task function.
func (l *life) do(ctx context.Context, d deed) (int, error) {
	l.mu.Lock()
	l.runs[d.number]++
	l.running++
	if l.running > l.most {
		l.faults = append(l.faults, fmt.Sprintf("%d tasks run at once, and there were never more than %d workers", l.running, l.most))
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.running--
		l.mu.Unlock()
	}()
	switch d.does {
	case deedFails:
		return d.number, errDeed
	case deedPanics:
		panic(d.number)
	case deedGoexits:
		runtime.Goexit()
	case deedWaits:
		<-d.gate
	case deedObeys:
		select {
		case <-d.gate:
		case <-ctx.Done():
		}
	case deedSubmits:
		l.submit(ctx, l.deed(deedSucceeds))
		l.submitAll(ctx, []deed{l.deed(deedFails), l.deed(deedPanics)})
	case deedAsks:
		if err := l.p.Wait(ctx); err != pool.ErrInTask {
			l.fault("Wait in a task returned %v", err)
		}
		l.mu.Lock()
		ids := make([]store.ID, 0, len(l.accepted))
		for id := range l.accepted {
			ids = append(ids, id)
		}
		l.mu.Unlock()
		for _, id := range ids {
			l.get(ctx, id)
		}
	case deedStops:
		l.stopped.Store(true)
		if err := l.p.Stop(ctx); err != pool.ErrInTask {
			l.fault("Stop in a task returned %v", err)
		}
	}
	return d.number, nil
}

func (l *life) deed(does int) deed {
	n := int(l.next.Add(1))
	l.mu.Lock()
	defer l.mu.Unlock()
	return deed{number: n, does: does, gate: l.gates[n%len(l.gates)]}
}

func (l *life) accept(id store.ID, d deed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, twice := l.accepted[id]; twice || id == 0 {
		l.faults = append(l.faults, fmt.Sprintf("ID %d was given out twice", id))
	}
	l.accepted[id] = d
}

func (l *life) submit(ctx context.Context, d deed) {
	id, err := l.p.Submit(ctx, d)
	l.submitted(err)
	if err == nil {
		l.accept(id, d)
	} else if id != 0 {
		l.fault("Submit returned ID %d and %v", id, err)
	}
}

func (l *life) submitAll(ctx context.Context, in []deed) {
	ids, err := l.p.SubmitAll(ctx, in)
	l.submitted(err)
	if len(ids) > len(in) || (err == nil) != (len(ids) == len(in)) {
		l.fault("SubmitAll of %d returned %d IDs and %v", len(in), len(ids), err)
	}
	for i, id := range ids {
		l.accept(id, in[i])
	}
}

// submitted looks whether an error has a reason.
func (l *life) submitted(err error) {
	switch {
	case err == nil, errors.Is(err, pool.ErrQueueFull), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, pool.ErrClosed) && (l.stopped.Load() || l.cancelled.Load()):
	case errors.Is(err, pool.ErrNoWorkers) && l.emptied.Load():
	default:
		l.fault("Submit returned %v without a reason", err)
	}
}

// get gets a result and looks whether it is that of its task.
func (l *life) get(ctx context.Context, id store.ID) {
	l.mu.Lock()
	d, known := l.accepted[id]
	l.mu.Unlock()
	v, err := l.p.Get(ctx, id)
	l.mu.Lock()
	deleted := l.deleted[id]
	l.mu.Unlock()
	if !known || deleted && errors.Is(err, store.ErrNotFound) || errors.Is(err, pool.ErrInTask) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if fault := l.wrong(d, store.Result[int]{ID: id, Value: v, Err: err}); fault != "" {
		l.fault("Get: %s", fault)
	}
}

// wrong says what is wrong with a result of a task, if anything is.
func (l *life) wrong(d deed, res store.Result[int]) string {
	var panicked *pool.PanicError
	var unsaved *pool.UnsavedError[int]
	isPanic := errors.As(res.Err, &panicked)
	switch {
	case errors.As(res.Err, &unsaved) && l.failed.Load():
		return ""
	case errors.Is(res.Err, store.ErrRejected) && l.failed.Load():
		return ""
	case errors.Is(res.Err, pool.ErrNotRun) && l.over():
		return ""
	case d.does == deedFails && res.Err == errDeed && res.Value == d.number:
		return ""
	case d.does == deedPanics && isPanic && panicked.Value == d.number:
		return ""
	case d.does == deedGoexits && res.Err == pool.ErrGoexit:
		return ""
	case d.does != deedFails && d.does != deedPanics && d.does != deedGoexits && res.Err == nil && res.Value == d.number:
		return ""
	}
	return fmt.Sprintf("task %d, %+v, has the result %+v", res.ID, d, res)
}

// step does one thing.
func (l *life) step(what, arg int) {
	ctx := context.Background()
	switch what {
	case 0, 1, 2, 3:
		l.users.Go(func() { l.submit(ctx, l.deed(what)) })
	case 4, 5:
		l.users.Go(func() { l.submit(ctx, l.deed(deedWaits+arg%2)) })
	case 6:
		l.users.Go(func() {
			in := make([]deed, 1+arg)
			for i := range in {
				in[i] = l.deed((i + arg) % deedStops)
			}
			l.submitAll(ctx, in)
		})
	case 7:
		l.users.Go(func() {
			d := l.deed(arg % deeds)
			id, err := l.p.TrySubmit(d)
			l.submitted(err)
			if err == nil {
				l.accept(id, d)
			}
		})
	case 8:
		l.mu.Lock()
		defer l.mu.Unlock()
		close(l.gates[arg%4])
		l.gates[arg%4] = make(chan struct{})
	case 9:
		n := arg % 6
		if n == 0 {
			l.emptied.Store(true)
		}
		l.mu.Lock()
		l.most = max(l.most, n)
		l.mu.Unlock()
		if err := l.p.Resize(n); err != nil && !errors.Is(err, pool.ErrClosed) {
			l.fault("Resize(%d): %v", n, err)
		}
	case 10:
		l.users.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(arg)*time.Second)
			defer cancel()
			if arg%4 == 0 {
				if err := l.p.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					l.fault("Wait: %v", err)
				}
				return
			}
			l.get(ctx, store.ID(arg))
		})
	case 11:
		time.Sleep(time.Duration(arg) * 100 * time.Millisecond)
	case 12:
		if mode := int64(arg % storeModes); mode != storeWorks {
			l.failed.Store(true)
			l.mode.Store(mode)
		} else {
			l.mode.Store(storeWorks)
		}
	case 13:
		l.users.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(arg)*50*time.Millisecond)
			defer cancel()
			l.submit(ctx, l.deed(deedSubmits))
			l.submitAll(ctx, []deed{l.deed(deedAsks), l.deed(deedWaits)})
		})
	case 14:
		if arg > 4 { // seldom: it is the end
			for res := range l.inner.All(ctx) {
				l.mu.Lock()
				l.deleted[res.ID] = true
				l.mu.Unlock()
				_ = l.inner.Delete(ctx, res.ID)
				break
			}
			return
		}
		l.stop(time.Duration(arg) * time.Second)
	case 15:
		if arg > 4 {
			if _, err := l.p.Results(ctx); err != nil {
				l.fault("Results: %v", err)
			}
			return
		}
		l.cancelled.Store(true)
		l.cancel(errCause)
	}
}

// stop calls Stop in a goroutine of its own, with a deadline unless it is 0.
func (l *life) stop(limit time.Duration) {
	l.stopped.Store(true)
	l.users.Go(func() {
		ctx := context.Background()
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		err := l.p.Stop(ctx)
		var unsaved *pool.UnsavedError[int]
		switch {
		case err == nil, limit > 0 && errors.Is(err, context.DeadlineExceeded):
		case errors.As(err, &unsaved) && l.failed.Load():
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
	if s.Queued > 0 && s.Running < uint64(s.Workers) && !l.cancelled.Load() {
		l.t.Errorf("%d tasks wait, and of %d workers %d are busy", s.Queued, s.Workers, s.Running)
	}
	if s.Submitted < uint64(len(l.accepted)) { // a submitter that waits has some accepted that we do not know of
		l.t.Errorf("%d tasks accepted, %+v", len(l.accepted), s)
	}
	if len(l.faults) > 0 {
		l.t.Fatalf("%q", l.faults)
	}
}

// over reports whether there may be tasks that are not to run.
func (l *life) over() bool { return l.cancelled.Load() || l.emptied.Load() }

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
			case <-time.After(time.Second):
				for i := range len(l.gates) {
					l.step(8, i)
				}
			}
		}
	}()
	<-l.p.Done()
	l.users.Wait()
	synctest.Wait()

	s := l.p.Stats()
	checkStats(l.t, s)
	var unsaved *pool.UnsavedError[int]
	results := l.puts
	if errors.As(l.p.Stop(context.Background()), &unsaved) {
		for _, res := range unsaved.Results {
			if _, twice := results[res.ID]; twice {
				l.fault("result %d is both stored and handed back", res.ID)
			}
			results[res.ID] = res
		}
	}
	var want pool.Stats // what became of the tasks, by our account
	for id, d := range l.accepted {
		res, ok := results[id]
		if !ok {
			l.fault("task %d, %+v, was accepted and has no result", id, d)
			continue
		}
		if fault := l.wrong(d, res); fault != "" {
			l.fault("%s", fault)
		}
		want.Submitted++
		switch runs := l.runs[d.number]; {
		case runs > 1 || runs == 1 && errors.Is(res.Err, pool.ErrNotRun):
			l.fault("task %d ran %d times, and its result is %+v", id, runs, res)
		case runs == 0:
			want.NotRun++
		case d.does == deedPanics:
			want.Panicked++
		case d.does == deedFails, d.does == deedGoexits:
			want.Failed++
		default:
			want.Succeeded++
		}
	}
	if want.NotRun > 0 && !l.over() {
		l.fault("%d tasks did not run", want.NotRun)
	}
	if len(results) != len(l.accepted) {
		l.fault("%d results of %d accepted tasks", len(results), len(l.accepted))
	}
	want.Workers, want.Unsaved = s.Workers, s.Unsaved
	if s != want || s.Unsaved > 0 && (unsaved == nil || len(unsaved.Results) != int(s.Unsaved)) {
		l.fault("the pool says %+v, want %+v", s, want)
	}
	if len(l.faults) > 0 {
		l.t.Errorf("%q", l.faults)
	}
}
