package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/remote"
)

// lease is that of the engines here.
const lease = 30 * time.Second

var errClosed = errors.New("the host is closed")

// host is a remote.Host whose workers are the test: it takes IDs from tasks.
type host struct {
	*remote.Share
	failures *backoff.Failures
	tasks    chan uint64 // its queue
	shut     context.CancelCauseFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	workers int
	refusal error
	failed  error
}

// newHost returns a host with a share of eng that has taken over nothing yet.
func newHost(t *testing.T, eng engine.Engine, workers int) *host {
	h := &host{failures: backoff.New(), tasks: make(chan uint64, 1000), workers: workers}
	intake, shut := context.WithCancelCause(context.Background())
	h.shut = shut
	h.Share = remote.New(intake, eng, h, h.failures)
	t.Cleanup(h.close)
	return h
}

// close takes no more tasks and gives back those that wait.
func (h *host) close() {
	h.mu.Lock()
	h.refusal = errClosed
	h.mu.Unlock()
	h.shut(errClosed)
	for len(h.tasks) > 0 {
		_ = h.Finish(context.Background(), []engine.Record{{ID: <-h.tasks}})
	}
	h.running.Wait()
}

func (h *host) Refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refusal
}

func (h *host) Workers() (workers, queue int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.workers, cap(h.tasks)
}

func (h *host) resize(workers int) {
	h.mu.Lock()
	h.workers = workers
	h.mu.Unlock()
	h.Resized()
}

func (h *host) Enqueue(ids []uint64) (n int) {
	if h.Refusal() != nil {
		return 0
	}
	for _, id := range ids {
		h.tasks <- id
	}
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

// run is a worker's way with the next task: its result is its own bytes.
func (h *host) run(t *testing.T) uint64 {
	id := <-h.tasks
	task, start, err := h.Begin(id)
	require.NoError(t, err)
	start.End(false)
	require.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: id, Data: task}}))
	return id
}

// push pushes n tasks of one byte each.
func push(t *testing.T, h *host, n int) []uint64 {
	t.Helper()
	var tasks [][]byte
	for i := range n {
		tasks = append(tasks, []byte{byte(i)})
	}
	ids, err := h.Push(t.Context(), tasks, true)
	require.NoError(t, err)
	require.Len(t, ids, n)
	return ids
}

func newMemory() *enginetest.Memory {
	return enginetest.NewMemory(&enginetest.MemoryOptions{Lease: lease})
}
