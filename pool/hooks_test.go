package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// events is what hooks have been told, and hooks that note it.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, fmt.Sprintf(format, args...))
}

// take returns what was noted since the last take.
func (e *events) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.all
	e.all = nil
	return all
}

type ctxKey struct{}

func (e *events) hooks() *pool.Hooks {
	return &pool.Hooks{
		Submitted: func(ctx context.Context, id store.ID) { e.note("submitted %d %v", id, ctx.Value(ctxKey{})) },
		Started: func(ctx context.Context, id store.ID, waited time.Duration) {
			task, _ := pool.TaskFromContext(ctx)
			e.note("started %d attempt %d after %v", task.ID, task.Attempt, waited)
		},
		Ended: func(id store.ID, out pool.Outcome, err error, ran time.Duration) {
			e.note("ended %d %v %v %v", id, out, err, ran)
		},
		Refused: func(err error) { e.note("refused %v", err) },
	}
}

// Each hook is called with what has happened, over stores of both kinds, and before anyone wakes.
func TestHooks(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, fmt.Sprint(batch), func(t *testing.T) {
			var e events
			p := newPool(t, &pool.Options{Workers: 1, Queue: 2, Hooks: e.hooks()}, newTestStore(nil).as(batch))
			ctx := context.WithValue(t.Context(), ctxKey{}, "of Submit")
			id, err := p.Submit(ctx, func(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil })
			require.NoError(t, err)
			synctest.Wait()
			_, err = p.SubmitAll(ctx, []task{failingTask, panickingTask})
			require.NoError(t, err)
			_, err = p.TrySubmit(value(9))
			assert.Equal(t, pool.ErrQueueFull, err)
			s := p.Stats()
			assert.Equal(t, 2, s.Capacity)
			assert.EqualValues(t, 1, s.Refused)
			assert.EqualValues(t, 2, s.Oldest)
			got := e.take()
			slices.Sort(got)
			assert.Equal(t, []string{
				"refused pool: queue is full", "started 1 attempt 1 after 0s",
				"submitted 1 of Submit", "submitted 2 of Submit", "submitted 3 of Submit",
			}, got)

			_, err = p.Get(t.Context(), id)
			require.NoError(t, err)
			got = e.take()
			assert.Contains(t, got, "ended 1 Succeeded <nil> 1s", "Ended was called after a Get has woken")
			require.NoError(t, p.Wait(t.Context()))
			got = append(got, e.take()...)
			slices.Sort(got)
			assert.Equal(t, []string{
				"ended 1 Succeeded <nil> 1s", "ended 2 Failed the task failed 0s", "ended 3 Panicked pool: recovered panic: boom 0s",
				"started 2 attempt 1 after 1s", "started 3 attempt 1 after 1s",
			}, got)

			require.NoError(t, p.Stop(t.Context()))
			_, err = p.Submit(t.Context(), value(1))
			assert.ErrorIs(t, err, pool.ErrClosed)
			assert.Equal(t, []string{"refused pool: closed"}, e.take())
			assert.EqualValues(t, 1, p.Stats().Refused, "for want of room")
			assert.Zero(t, p.Stats().Oldest)
		})
	}
}

// What is not run, or runs again, or waits for its key, is told as well.
func TestHooksOfWhatIsNotRun(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, fmt.Sprint(batch), func(t *testing.T) {
			var e events
			ended := func(want ...string) {
				t.Helper()
				synctest.Wait()
				var got []string
				for _, event := range e.take() {
					if event[:3] == "end" || event[:3] == "sta" {
						got = append(got, event)
					}
				}
				slices.Sort(got)
				assert.Equal(t, want, got)
			}
			p := newPool(t, &pool.Options{Workers: 1, Hooks: e.hooks()}, newTestStore(nil).as(batch))
			gate := make(chan struct{})
			retried := submit(t, p, attempts(1, time.Second, gated(gate, 1)))
			ended("started 1 attempt 1 after 0s")
			assert.Equal(t, retried, p.Stats().Oldest, "it waits for its time")
			time.Sleep(time.Minute)
			ended("started 1 attempt 2 after 0s")
			off, unrun := submit(t, p, value(2)), submit(t, p, value(3))
			require.True(t, p.Cancel(off, errCause))
			ended("ended 2 NotRun pool: task not run: cause of the cancel 0s")
			assert.Equal(t, unrun, p.Stats().Oldest, "the other is called off")
			p.cancel(errCause)
			ended("ended 3 NotRun pool: task not run: cause of the cancel 0s")
			close(gate)
			<-p.Done()
			ended("ended 1 Succeeded <nil> 59s")
		})
	}
}

// A result that was given up is told with the UnsavedError that has it.
func TestHooksOfUnsavedResults(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, fmt.Sprint(batch), func(t *testing.T) {
			var errs []error
			hooks := &pool.Hooks{Ended: func(_ store.ID, out pool.Outcome, err error, _ time.Duration) {
				assert.Equal(t, pool.Succeeded, out)
				errs = append(errs, err)
			}}
			p := newPool(t, &pool.Options{Workers: 1, Hooks: hooks}, newTestStore(failAlways).as(batch))
			submit(t, p, value(5))
			synctest.Wait()
			assert.Empty(t, errs)
			p.cancel(errCause)
			<-p.Done()
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], pool.ErrUnsaved)
			assert.ErrorIs(t, errs[0], errDown)
			assert.Equal(t, 5, handedBack(t, errs[0], 1)[0].Value)
		})
	}
}

func failAlways(context.Context, []store.ID, func(context.Context) error) error { return errDown }

// A hook that panics or ends its goroutine costs no task its result; the log has the panic. One that blocks
// holds up its own task only.
func TestHooksMisbehave(t *testing.T) {
	boom := func() { panic("boom of a hook") }
	for name, do := range map[string]func(){"panic": boom, "Goexit": runtime.Goexit} {
		for _, batch := range []bool{false, true} {
			bubble(t, fmt.Sprint(name, batch), func(t *testing.T) {
				var log logged
				p := newPool(t, &pool.Options{Workers: 2, Logger: log.logger(), Hooks: &pool.Hooks{
					Submitted: func(context.Context, store.ID) { do() },
					Started:   func(context.Context, store.ID, time.Duration) { do() },
					Ended:     func(store.ID, pool.Outcome, error, time.Duration) { do() },
					Refused:   func(error) { do() },
				}}, newTestStore(nil).as(batch))
				const n = 10
				var wg sync.WaitGroup // a Goexit in Submitted ends the goroutine of the submitter, which is its own
				for i := range n {
					wg.Go(func() { submit(t, p, value(i)) })
				}
				wg.Wait()
				require.NoError(t, p.Stop(t.Context()))
				assert.Equal(t, n, holds(t, p))
				checkStats(t, p.Stats())
				if name == "panic" {
					assert.EqualValues(t, n, p.Stats().Succeeded)
					assert.Contains(t, log.String(), "boom of a hook")
				}
			})
		}
	}
	bubble(t, "blocks", func(t *testing.T) {
		gate := make(chan struct{})
		p := newPool(t, &pool.Options{Workers: 2, Hooks: &pool.Hooks{
			Started: func(_ context.Context, id store.ID, _ time.Duration) {
				if id == 1 {
					<-gate
				}
			},
		}})
		opensAtEnd(t, gate)
		submit(t, p, value(1))
		for range 5 {
			_, err := p.Get(t.Context(), submit(t, p, value(2)))
			assert.NoError(t, err)
		}
		assert.EqualValues(t, 1, p.Stats().Running)
	})
}

// The hooks and the log of a pool that has joined an engine.
func TestJoinHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e events
		var log logged
		memory := newMemory(0)
		p, _ := join(t, memory, doubled, &pool.Options{Workers: 1, Name: "thumbs", Hooks: e.hooks(), Logger: log.logger()})
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
		got := e.take()
		slices.Sort(got)
		assert.Equal(t, []string{
			fmt.Sprintf("ended %d Succeeded <nil> 0s", id),
			fmt.Sprintf("started %d attempt 1 after 0s", id),
			fmt.Sprintf("submitted %d <nil>", id),
		}, got)
		assert.Empty(t, log.String(), "nothing for each task")

		down := faulty(memory.Open(), enginetest.Faults{Load: func(context.Context, []uint64, func(context.Context) error) error { return errEngineDown }})
		q, _ := join(t, down, doubled, &pool.Options{Workers: 1, Name: "thumbs", Logger: log.logger()})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = q.Get(ctx, id)
		assert.ErrorIs(t, err, errEngineDown)
		assert.Contains(t, log.String(), "fails; trying again")
		assert.Contains(t, log.String(), "pool=thumbs")
		assert.NotContains(t, log.String(), "works again", "nobody has seen that")
	})
}

// logged is what was logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// An operator reads of a panic with its stack, of a store that begins to fail and works again, once for an
// outage, and of what Wait and Stop wait for; and of nothing else.
func TestLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		var down atomic.Bool
		st := newTestStore(func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
			if down.Load() {
				return errDown
			}
			return do(ctx)
		})
		p := newPool(t, &pool.Options{Workers: 1, Name: "sums", Logger: log.logger()}, st)
		submit(t, p, value(1))
		submit(t, p, failingTask)
		submit(t, p, exitingTask)
		require.NoError(t, p.Wait(t.Context()))
		assert.Empty(t, log.String())
		submit(t, p, panickingTask)
		require.NoError(t, p.Wait(t.Context()))
		assert.Contains(t, log.String(), "a task panicked")
		assert.Contains(t, log.String(), "pool=sums task=4 panic=boom stack=")
		assert.Contains(t, log.String(), "panickingTask")

		down.Store(true)
		submit(t, p, value(4))
		wait := p.waiting()
		time.Sleep(time.Minute)
		assert.Equal(t, 1, countOf(log.String(), "fails; trying again"))
		assert.Contains(t, log.String(), errDown.Error())
		assert.Equal(t, 3, countOf(log.String(), "Wait waits"), "after 5, 15 and 35 seconds")
		assert.Contains(t, log.String(), "running tasks\"=[5]")
		down.Store(false)
		time.Sleep(time.Second)
		assert.NoError(t, wait.returns(t))
		assert.Equal(t, 1, countOf(log.String(), "works again"))

		gate := make(chan struct{})
		submit(t, p, gated(gate, 1))
		stop := p.stopping()
		time.Sleep(6 * time.Second)
		close(gate)
		assert.NoError(t, stop.returns(t))
		assert.Equal(t, 1, countOf(log.String(), "Stop waits"))
	})
}

// The log is told once that an outage begins and ends: whatever the store is, however many fail and however they are put
// aside; and not that a store works which nobody has tried again.
func TestLoggerOfOutages(t *testing.T) {
	for _, batch := range []bool{false, true} {
		for _, cancelled := range []bool{false, true} {
			bubble(t, fmt.Sprint(batch, cancelled), func(t *testing.T) {
				var log logged
				var down breakdown
				down.Store(true)
				p := newPool(t, &pool.Options{Workers: 3, Logger: log.logger()}, newTestStore(down.fault).as(batch))
				_, err := p.SubmitAll(t.Context(), values(5))
				require.NoError(t, err)
				time.Sleep(time.Hour)
				assert.Equal(t, 1, countOf(log.String(), "fails; trying again"), log.String())
				assert.Zero(t, countOf(log.String(), "works again"), log.String())
				if cancelled {
					p.cancel(errCause)
					<-p.Done()
					assert.Zero(t, countOf(log.String(), "works again"), log.String())
					return
				}
				down.Store(false)
				require.NoError(t, p.Wait(t.Context()))
				assert.Equal(t, 1, countOf(log.String(), "works again"), log.String())
				assert.Contains(t, log.String(), `"failed for"=1h0m`)

				// One that begins a moment later is told of when it goes on.
				for range 2 {
					down.Store(true)
					submit(t, p, value(1))
					time.Sleep(time.Minute)
					down.Store(false)
					require.NoError(t, p.Wait(t.Context()))
				}
				assert.Equal(t, 3, countOf(log.String(), "fails; trying again"), log.String())
				assert.Equal(t, 3, countOf(log.String(), "works again"), log.String())
			})
		}
	}
}

// A cause of a cancel that looks like a full queue, and one that leads back to itself, are no refusal for want of room.
func TestRefusedForItsOwnReasons(t *testing.T) {
	loop := &circle{}
	for _, cause := range []error{fmt.Errorf("too much: %w", pool.ErrQueueFull), loop} {
		var e events
		p := newPool(t, &pool.Options{Hooks: e.hooks()})
		expired, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := p.Submit(expired, value(1))
		assert.Equal(t, cause, err)
		p.cancel(cause)
		<-p.Done()
		_, err = p.TrySubmit(value(1))
		require.Error(t, err)
		assert.Zero(t, p.Stats().Refused)
	}
}

// A hook that panics for one task of many is told of the others.
func TestSubmittedPanicsForOne(t *testing.T) {
	var told []store.ID
	p := newPool(t, &pool.Options{Hooks: &pool.Hooks{Submitted: func(_ context.Context, id store.ID) {
		if told = append(told, id); id == 2 {
			panic("boom")
		}
	}}})
	_, err := p.SubmitAll(t.Context(), values(3))
	require.NoError(t, err)
	assert.Equal(t, []store.ID{1, 2, 3}, told)
}

// A logger that calls Goexit, as a test's does that fails, takes no task's result and holds no pool open.
func TestLoggerCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1, Logger: slog.New(exitingHandler{})}, newTestStore(nil))
		id := submit(t, p, panickingTask)
		_, err := p.Get(t.Context(), id)
		require.ErrorAs(t, err, new(*pool.PanicError))
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 1, p.Stats().Panicked)

		closed := newTestStore(func(context.Context, []store.ID, func(context.Context) error) error { return store.ErrClosed })
		p = newPool(t, &pool.Options{Workers: 1, Logger: slog.New(exitingHandler{})}, closed)
		submit(t, p, value(1))
		<-p.Done()
	})
}

type exitingHandler struct{ slog.Handler }

func (exitingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (exitingHandler) Handle(context.Context, slog.Record) error {
	runtime.Goexit()
	return nil
}

func countOf(text, part string) int { return bytes.Count([]byte(text), []byte(part)) }

// A handler that panics ends nothing.
func TestLoggerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Logger: slog.New(panickingHandler{})}, newTestStore(nil))
		submit(t, p, panickingTask)
		require.NoError(t, p.Stop(t.Context()))
		assert.EqualValues(t, 1, p.Stats().Panicked)
	})
}

type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickingHandler) Handle(context.Context, slog.Record) error { panic("boom") }

// With Profile a task has the labels of its pool and its key, and no task without it.
func TestProfile(t *testing.T) {
	label := func(ctx context.Context, key string) string { v, _ := pprof.Label(ctx, key); return v }
	p, err := pool.NewKeyed(t.Context(), func(ctx context.Context, in string) (string, error) {
		task, _ := pool.TaskFromContext(ctx)
		return fmt.Sprint(label(ctx, "pool"), label(ctx, "key"), task.ID, trace.IsEnabled()), nil
	}, func(in string) string { return in }, store.ResultStore[string](rwmutex.New[string]()), &pool.Options{Name: "sums", Profile: true})
	require.NoError(t, err)
	id, err := p.Submit(t.Context(), "a")
	require.NoError(t, err)
	got, err := p.Get(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint("sums", "a", 1, trace.IsEnabled()), got)
	var buf bytes.Buffer
	if err := trace.Start(&buf); err == nil {
		id, err = p.Submit(t.Context(), "b")
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		trace.Stop()
		assert.Contains(t, buf.String(), "resultpool task")
	}
	require.NoError(t, p.Stop(t.Context()))
}

func TestOutcomeString(t *testing.T) {
	for want, o := range map[string]pool.Outcome{
		"Succeeded": pool.Succeeded, "Failed": pool.Failed, "Panicked": pool.Panicked, "NotRun": pool.NotRun, "Outcome(7)": 7,
	} {
		assert.Equal(t, want, o.String())
	}
	assert.NotErrorIs(t, pool.ErrUnsaved, errors.ErrUnsupported)
}
