package embedded_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/engine/jetstream"
)

var withCluster = flag.Bool("cluster", false, "check the contract on three servers with three replicas, for a minute")

// TestEmbedded checks the engine on the server in this process, with one and with several tasks in a
// message. Half of the pools are joined over the server's address, as by another process.
func TestEmbedded(t *testing.T) {
	s := start(t, serverOptions{})
	t.Run("run", func(t *testing.T) {
		runs := []int{1, 16, 256}
		if testing.Short() {
			runs = []int{16} // and one in TestStandalone
		}
		for _, run := range runs {
			t.Run(strconv.Itoa(run), func(t *testing.T) {
				t.Parallel()
				var subjects atomic.Int64
				enginetest.Run(t, func(tb testing.TB) enginetest.Subject {
					if subjects.Add(1)%2 == 0 {
						return subject(tb, s.url, jetstream.Options{Run: run})
					}
					return subject(tb, "nats://in-process", jetstream.Options{Run: run, NATS: s.ClientOptions()})
				})
			})
		}
	})
}

// TestStandalone checks it on a server as its own program starts it, which syncs.
func TestStandalone(t *testing.T) {
	t.Parallel()
	s := startStandalone(t)
	enginetest.Run(t, func(tb testing.TB) enginetest.Subject { return subject(tb, s.url, jetstream.Options{Run: 1}) })
}

// TestCluster checks it on three servers with three replicas, where a handle is connected to
// any of them.
func TestCluster(t *testing.T) {
	urls := startCluster(t)
	for _, run := range []int{1, 16} {
		t.Run(strconv.Itoa(run), func(t *testing.T) {
			enginetest.Run(t, func(tb testing.TB) enginetest.Subject {
				return subject(tb, strings.Join(urls, ","), jetstream.Options{Replicas: 3, Run: run})
			})
		})
	}
}

// tooLarge is a byte more than a task or a result may have.
const tooLarge = 1<<20 - 512 + 1

// subject is a pool of its own on the server at url.
func subject(tb testing.TB, url string, opts jetstream.Options) enginetest.Subject {
	const bound = 256
	opts.Lease, opts.QueueBound = 4*time.Second, bound
	name := newName()
	return enginetest.Subject{
		Open: func(ctx context.Context) (engine.Engine, error) {
			e, err := jetstream.Open(ctx, url, name, &opts)
			if err != nil {
				return nil, err
			}
			return e, nil
		},
		QueueBound: bound,
		Run:        opts.Run,
		TooLarge:   tooLarge,
		Remake: func(context.Context) error {
			p := &testPool{tb: tb, name: name}
			_, p.js = client(tb, url, opts.NATS...)
			p.deleteStreams("tasks", "results", "starts")
			return nil
		},
	}
}

// startCluster starts three servers, and returns their addresses when they have a leader.
func startCluster(tb testing.TB) []string {
	tb.Helper()
	if !*withCluster {
		tb.Skip("SKIPPED: needs three servers and a minute: go test -run=TestCluster -cluster")
	}
	var routes, urls []string
	for range 3 {
		routes = append(routes, "nats://"+freeAddr(tb))
	}
	for i := range routes {
		s := newStandalone(tb, "")
		s.restart(tb, fmt.Sprintf("server_name: s%d", i),
			fmt.Sprintf("cluster { name: c, listen: %q, routes: [ %q, %q, %q ] }",
				strings.TrimPrefix(routes[i], "nats://"), routes[0], routes[1], routes[2]))
		urls = append(urls, s.url)
	}
	_, js := client(tb, urls[0])
	eventually(tb, func() error {
		_, err := js.AccountInfo(tb.Context())
		return err
	})
	return urls
}

// TestClusterSavesAreThere has two callers save results under the same IDs at once. The leader
// refuses one while the other is on its way to the replicas: it is not there yet.
func TestClusterSavesAreThere(t *testing.T) {
	urls := startCluster(t)
	name := newName()
	opts := &jetstream.Options{Replicas: 3}
	engines := []*jetstream.Engine{open(t, urls[0], name, opts), open(t, urls[1], name, opts)}
	for id := uint64(1); id <= 300; id++ {
		var wg sync.WaitGroup
		for _, e := range engines {
			wg.Go(func() {
				assert.NoError(t, e.Save(t.Context(), record(id)))
				_, err := e.Load(t.Context(), id)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		require.False(t, t.Failed())
	}
}

// TestClusterFullIsSure has two callers push the same tasks, more than there is room for. When
// one is told that a task is not in the queue, it is not, even if the other has just pushed it.
func TestClusterFullIsSure(t *testing.T) {
	urls := startCluster(t)
	for range 20 {
		name := newName()
		opts := &jetstream.Options{Replicas: 3, QueueBound: 40}
		engines := []*jetstream.Engine{open(t, urls[0], name, opts), open(t, urls[1], name, opts)}
		var ids [2][]uint64
		var errs [2]error
		var wg sync.WaitGroup
		for i, e := range engines {
			wg.Go(func() { ids[i], errs[i] = e.Push(t.Context(), "a", tasks(60)) })
		}
		wg.Wait()
		for i, err := range errs {
			for task, id := range ids[i] {
				if errors.Is(err, engine.ErrFull) && id == 0 {
					require.Zero(t, ids[1-i][task], "task %d: %v", task, errs)
				}
			}
		}
		for _, e := range engines {
			require.NoError(t, e.Close())
		}
	}
}

// TestClusterPullsLarge pulls more bytes than come at once. With replicas a server says that
// these are all before it sends them: no task is left to its lease.
func TestClusterPullsLarge(t *testing.T) {
	e := open(t, startCluster(t)[0], newName(), &jetstream.Options{Replicas: 3})
	const n = 40
	_, err := e.Push(t.Context(), "a", large(n))
	require.NoError(t, err)
	began := time.Now()
	for _, d := range pull(t, e, n) {
		assert.Equal(t, 1, d.Attempt)
	}
	assert.Less(t, time.Since(began), 5*time.Second, "it waited for what does not come")
}
