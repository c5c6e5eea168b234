package many

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

func twice(_ context.Context, n int) (int, error) { return 2 * n, nil }

// useAll does all that one does with a pool.
func useAll(t *testing.T, url, submitter, worker string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a pool waits for what may pass
	defer cancel()
	work := openAs(t, url, worker)
	submit := openAs(t, url, submitter)
	s, err := pool.Join[int, int](ctx, nil, submit, nil)
	require.NoError(t, err)
	id, err := s.Submit(ctx, 21)
	require.NoError(t, err)
	ids, err := s.SubmitAll(ctx, []int{1, 2, 3})
	require.NoError(t, err)

	got := make(chan error, 1)
	go func() { // it waits: nobody works yet
		n, err := s.Get(ctx, id)
		if err == nil {
			assert.Equal(t, 42, n)
		}
		got <- err
	}()
	// Deliver them often enough to be suspects, whose starts are counted.
	for range 3 {
		ds, err := work.Pull(ctx, 4)
		require.NoError(t, err)
		require.NoError(t, work.Extend(ctx, ds))
		require.NoError(t, work.NackAfter(ctx, ds, 0))
		ds, err = work.Pull(ctx, 4)
		require.NoError(t, err)
		require.NoError(t, work.Nack(ctx, ds))
	}
	w, err := pool.Join(ctx, twice, work, nil)
	require.NoError(t, err)
	require.NoError(t, <-got)
	require.NoError(t, s.Wait(ctx))
	results, err := s.Results(ctx)
	require.NoError(t, err)
	assert.Len(t, results, 4)
	require.NoError(t, submit.Delete(ctx, []uint64{uint64(id)}))
	_, err = s.Get(ctx, id)
	assert.ErrorIs(t, err, store.ErrNotFound)
	n, err := s.Get(ctx, ids[2])
	require.NoError(t, err)
	assert.Equal(t, 6, n)
	for range 20 { // until the worker has told its pace
		id, err := s.Submit(ctx, 1)
		require.NoError(t, err)
		_, err = s.Get(ctx, id)
		require.NoError(t, err)
	}
	require.NoError(t, w.Stop(ctx))
	require.NoError(t, s.Stop(ctx))
}

func all(string) bool { return true }

// A user with what the page lists, and nothing else, can do all, from making the pool on.
// And it needs all that it may publish to.
func TestPermissions(t *testing.T) {
	perms := permissions(t, "p", all)
	url := startServer(t, map[string]*server.Permissions{"u": perms, "all": nil})
	nc, err := nats.Connect(url, nats.UserInfo("all", "p"))
	require.NoError(t, err)
	defer nc.Close()
	var unused sync.Map
	for _, subject := range perms.Publish.Allow {
		unused.Store(subject, true)
		_, err := nc.Subscribe(subject, func(m *nats.Msg) { unused.Delete(m.Sub.Subject) })
		require.NoError(t, err)
	}
	require.NoError(t, nc.Flush())
	useAll(t, url, "u", "u")
	removeOrphan(t, url, "u", nc)
	require.NoError(t, nc.Flush()) // all that was published before comes before the answer
	require.NoError(t, nc.Drain())
	for !nc.IsClosed() {
		runtime.Gosched()
	}
	unused.Range(func(subject, _ any) bool {
		assert.Fail(t, "nothing was published to "+subject.(string))
		return true
	})
}

// removeOrphan has a task that is acknowledged in the queue, and pulls until it is gone. The
// administrator makes it, as a death of the server may.
func removeOrphan(t *testing.T, url, worker string, admin *nats.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	work := openAs(t, url, worker)
	ids, err := work.Push(ctx, "orphan", [][]byte{[]byte("1")})
	require.NoError(t, err)
	answer, err := admin.Request("$JS.API.CONSUMER.RESET.resultpool_p_tasks.workers", fmt.Appendf(nil, `{"seq":%d}`, ids[0]>>10+1), 5*time.Second)
	require.NoError(t, err)
	require.NotContains(t, string(answer.Data), `"error"`)
	pulled := make(chan error, 1)
	pulling, stop := context.WithCancel(ctx)
	go func() {
		_, err := work.Pull(pulling, 1)
		pulled <- err
	}()
	for size := uint64(1); size > 0; time.Sleep(20 * time.Millisecond) { // asks again
		size, err = work.Size(ctx)
		require.NoError(t, err)
	}
	stop()
	require.ErrorIs(t, <-pulled, context.Canceled)
}

// Who only submits, and who only works, need less.
func TestPermissionsOfRoles(t *testing.T) {
	without := func(purposes ...string) func(string) bool {
		return func(purpose string) bool {
			return !slices.ContainsFunc(purposes, func(p string) bool { return strings.HasPrefix(purpose, p) })
		}
	}
	url := startServer(t, map[string]*server.Permissions{
		"submits": permissions(t, "p", without("running tasks:")),
		"works":   permissions(t, "p", without("Submit", "Get that waits", "Delete")),
	})
	useAll(t, url, "submits", "works")
}
