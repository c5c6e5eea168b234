package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/remote"
)

// lease is that of the engines here.
const lease = 30 * time.Second

var (
	errClosed = errors.New("the host is closed")
	errDown   = errors.New("the engine is down")
)

type (
	fault  = enginetest.Fault
	faults = enginetest.Faults
)

// bad is how a call of the engine may end that does not do what it should.
var bad = map[string]fault{
	"fails":        enginetest.Fail(errDown),
	"loses answer": enginetest.Lose(errDown),
	"hangs":        hang,
	"is late":      late,
	"panics":       enginetest.Panic("a bug of the driver"),
	"calls Goexit": enginetest.Goexit(),
}

// bubble runs a subtest in a bubble of synctest.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// hang waits for its context, with nothing done, as when a request is lost.
func hang(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// late does its work and waits for its context, as when the answer is lost.
func late(ctx context.Context, ids []uint64, do func(context.Context) error) error {
	_ = do(ctx)
	return hang(ctx, ids, do)
}

// counts counts the calls.
func counts(calls *atomic.Int64) fault {
	return func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
		calls.Add(1)
		return do(ctx)
	}
}

// An eng is an engine in memory with faults, and with what faults do not reach: pull stands between the share and
// Pull, push between it and Push, and final says which errors can never pass.
type eng struct {
	*enginetest.Faulty
	memory *enginetest.Memory
	pull   func(ctx context.Context, limit int, do func(limit int) ([]engine.Delivery, error)) ([]engine.Delivery, error)
	push   func(key string, tasks [][]byte, do func() ([]uint64, error)) ([]uint64, error)
	final  func(err error) bool
}

func newEngine(faults faults) *eng { return over(newMemory(), faults) }

func newMemory() *enginetest.Memory {
	return enginetest.NewMemory(&enginetest.MemoryOptions{Lease: lease})
}

// over returns another handle on the data of memory.
func over(memory *enginetest.Memory, faults faults) *eng {
	return &eng{Faulty: enginetest.WithFaults(memory.Open(), faults), memory: memory}
}

func (e *eng) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	do := func(limit int) ([]engine.Delivery, error) { return e.Faulty.Pull(ctx, limit) }
	if e.pull == nil {
		return do(limit)
	}
	return e.pull(ctx, limit, do)
}

func (e *eng) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	do := func() ([]uint64, error) { return e.Faulty.Push(ctx, key, tasks) }
	if e.push == nil {
		return do()
	}
	return e.push(key, tasks, do)
}

func (e *eng) Retryable(err error) bool { return e.final == nil || !e.final(err) }

// anyError is the final of an engine that takes all errors for final.
func anyError(error) bool { return true }

// size returns how many tasks are in the queue.
func (e *eng) size(t *testing.T) int {
	t.Helper()
	n, err := e.memory.Size(t.Context())
	require.NoError(t, err)
	return int(n)
}

// starts returns how many starts of a task are counted.
func (e *eng) starts(t *testing.T, id uint64) int {
	t.Helper()
	n, err := e.memory.MarkStart(t.Context(), id, 0)
	require.NoError(t, err)
	return n
}

// save saves the result of a task, as another process does.
func (e *eng) save(t *testing.T, id uint64, data string) {
	t.Helper()
	require.NoError(t, e.memory.Save(t.Context(), record(id, data)))
}

func record(id uint64, data string) []engine.Record {
	return []engine.Record{{ID: id, Data: []byte(data)}}
}

// suspects pushes n tasks, which are delivered so often and given back, and started so often by
// processes that have died.
func (e *eng) suspects(t *testing.T, n, deliveries, starts int) []uint64 {
	t.Helper()
	ids, err := e.memory.Push(t.Context(), fmt.Sprint("suspects-", n), tasks(n))
	require.NoError(t, err)
	for range deliveries {
		ds, err := e.memory.Pull(t.Context(), n)
		require.NoError(t, err)
		require.Len(t, ds, n)
		require.NoError(t, e.memory.Nack(t.Context(), ds))
	}
	for _, id := range ids {
		_, err := e.memory.MarkStart(t.Context(), id, starts)
		require.NoError(t, err)
	}
	return ids
}

// dies pulls all tasks, as a process that dies then.
func (e *eng) dies(t *testing.T) {
	t.Helper()
	_, err := e.memory.Open().Pull(t.Context(), 1000)
	require.NoError(t, err)
}

// tasks returns n tasks of one byte each.
func tasks(n int) (all [][]byte) {
	for i := range n {
		all = append(all, []byte{byte(i)})
	}
	return all
}

// A host is a remote.Host whose workers are the test, which takes tasks, or the goroutines of work.
// It belongs to the bubble of its test.
type host struct {
	*remote.Share
	t        *testing.T
	failures *backoff.Failures
	tasks    chan uint64 // its queue
	intake   context.Context
	shut     context.CancelCauseFunc
	running  sync.WaitGroup

	slow time.Duration // is how long Enqueue takes

	mu      sync.Mutex // guards all that follows
	workers int
	refusal error
	failed  error
	taken   []uint64       // all that was ever in tasks
	runs    map[uint64]int // by work
	asked   func()         // is called once after Workers has been
}

// newHost returns a host with a share of e that has taken over nothing yet. When the test ends, the
// host is closed, and nothing is held.
func newHost(t *testing.T, e engine.Engine, workers int) *host {
	h := &host{t: t, failures: backoff.New(), workers: workers, tasks: make(chan uint64, 1000), runs: make(map[uint64]int)}
	h.intake, h.shut = context.WithCancelCause(context.Background())
	h.Share = remote.New(h.intake, e, h, h.failures)
	t.Cleanup(func() {
		h.close()
		for _, id := range h.taken {
			h.Forget(id)
		}
		h.running.Wait()
	})
	return h
}

// close takes no more tasks and gives back those that wait. It is called by the test's goroutine.
func (h *host) close() {
	h.mu.Lock()
	h.refusal = errClosed
	h.mu.Unlock()
	h.shut(errClosed)
	synctest.Wait() // feed has ended, unless the engine hangs
	for len(h.tasks) > 0 {
		assert.NoError(h.t, h.Finish(context.Background(), []engine.Record{{ID: <-h.tasks}}))
	}
}

func (h *host) Refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refusal
}

func (h *host) Workers() (workers, queue int) {
	h.mu.Lock()
	workers, asked := h.workers, h.asked
	h.asked = nil
	h.mu.Unlock()
	if asked != nil {
		asked()
	}
	return workers, cap(h.tasks)
}

func (h *host) resize(workers int) {
	h.mu.Lock()
	h.workers = workers
	h.mu.Unlock()
	h.Resized()
}

func (h *host) Enqueue(ids []uint64) (n int) {
	if workers, _ := h.Workers(); h.Refusal() != nil || workers == 0 {
		return 0
	}
	h.mu.Lock()
	h.taken = append(h.taken, ids...)
	h.mu.Unlock()
	for _, id := range ids {
		h.tasks <- id
	}
	time.Sleep(h.slow)
	return len(ids)
}

func (h *host) Go(f func()) {
	h.running.Add(1)
	guard.Persist(func() { f(); h.running.Done() })
}

func (h *host) Fail(err error) {
	h.mu.Lock()
	if h.failed == nil {
		h.failed = err
	}
	h.refusal = fmt.Errorf("%w: %w", errClosed, err)
	why := h.refusal
	h.mu.Unlock()
	h.shut(why)
	h.Close(why)
}

func (h *host) hasFailed() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// times returns how often work has run a task.
func (h *host) times(id uint64) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runs[id]
}

// ranOnce requires that each of the tasks was run once by one of the hosts.
func ranOnce(t *testing.T, ids []uint64, hosts ...*host) {
	t.Helper()
	for _, id := range ids {
		n := 0
		for _, h := range hosts {
			n += h.times(id)
		}
		assert.Equal(t, 1, n, "runs of task %d", id)
	}
}

// begin begins a task, which must not be refused. The function that it returns ends it, without a result.
func (h *host) begin(id uint64) (end func()) {
	_, start, err := h.Begin(id)
	require.NoError(h.t, err)
	return func() { start.End(false) }
}

// run is a worker's way with a task that it has taken: the result is the task's own bytes.
func (h *host) run(id uint64, f func(task byte)) {
	task, start, err := h.Begin(id)
	if err == nil {
		h.mu.Lock()
		h.runs[id]++
		h.mu.Unlock()
		f(task[0])
	}
	start.End(remote.IsHandBack(err))
	if remote.IsHandBack(err) {
		task = nil
	}
	for h.Finish(context.Background(), []engine.Record{{ID: id, Data: task}}) != nil && h.hasFailed() == nil {
		time.Sleep(backoff.First)
	}
	h.Settled([]uint64{id})
}

// work starts the share and its workers, which run every task with f.
func (h *host) work(f func(task byte)) {
	h.Start()
	for range h.workers {
		h.running.Go(func() {
			for {
				select {
				case id := <-h.tasks:
					h.run(id, f)
				case <-h.intake.Done():
					return
				}
			}
		})
	}
}

// lasting returns the function of tasks that take so long.
func lasting(d time.Duration) func(byte) { return func(byte) { time.Sleep(d) } }
