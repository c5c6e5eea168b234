package embedded_test

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/engine/jetstream"
)

var withCluster = flag.Bool("cluster", false, "check the contract on three servers with three replicas, for a minute")

// TestCluster checks the contract on a cluster of three servers, with three replicas, where
// each handle is connected to any of them.
func TestCluster(t *testing.T) {
	if !*withCluster {
		t.Skip("SKIPPED: the contract on three servers takes a minute: go test -run=TestCluster -cluster")
	}
	urls := startCluster(t)
	opts := jetstream.Options{Replicas: 3}
	enginetest.Run(t, func(tb testing.TB) enginetest.Subject {
		opts := opts
		return subject(tb, strings.Join(urls, ","), &opts)
	})
}

// startCluster starts three servers, and returns their addresses when they have a leader.
func startCluster(tb testing.TB) []string {
	tb.Helper()
	var addrs []string
	for range 6 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(tb, err)
		defer func() { _ = listener.Close() }()
		addrs = append(addrs, listener.Addr().String())
		require.NoError(tb, listener.Close())
	}
	clients, routes := addrs[:3], addrs[3:]
	if _, err := serverProgram(); err != nil {
		tb.Skipf("SKIPPED: nats-server cannot be built: %v", err)
	}
	builtServer.Store(true)
	var urls []string
	for i, addr := range clients {
		dir := tb.TempDir()
		s := &standalone{url: "nats://" + addr, config: filepath.Join(dir, "server.conf")}
		s.configure(tb,
			"server_name: s"+strconv.Itoa(i),
			"listen: "+strconv.Quote(addr),
			"jetstream { store_dir: "+strconv.Quote(filepath.ToSlash(dir))+" }",
			fmt.Sprintf("cluster { name: c, listen: %q, routes: [ %q, %q, %q ] }", routes[i],
				"nats://"+routes[0], "nats://"+routes[1], "nats://"+routes[2]),
		)
		s.start(tb)
		tb.Cleanup(s.kill)
		urls = append(urls, s.url)
	}
	_, js := client(tb, urls[0])
	eventually(tb, func() error {
		_, err := js.AccountInfo(tb.Context())
		return err
	})
	return urls
}

// TestClusterSavesAreThere has two save results under the same IDs at once. The leader
// refuses one while the other is on its way to the replicas: that is not yet there.
func TestClusterSavesAreThere(t *testing.T) {
	if !*withCluster {
		t.Skip("SKIPPED: needs three servers: go test -run=TestCluster -cluster")
	}
	urls := startCluster(t)
	name := newName()
	opts := &jetstream.Options{Replicas: 3}
	engines := []*jetstream.Engine{open(t, urls[0], name, opts), open(t, urls[1], name, opts)}
	for id := uint64(1); id <= 300; id++ {
		var wg sync.WaitGroup
		for _, e := range engines {
			wg.Go(func() {
				assert.NoError(t, e.Save(t.Context(), []engine.Record{{ID: id, Data: []byte("r")}}))
				_, err := e.Load(t.Context(), id)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		require.False(t, t.Failed())
	}
}

// TestClusterFullIsSure has two push the same, more than there is room for. What one was
// told is not in the queue is not there, also if the other has just put it there.
func TestClusterFullIsSure(t *testing.T) {
	if !*withCluster {
		t.Skip("SKIPPED: needs three servers: go test -run=TestCluster -cluster")
	}
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
			if !errors.Is(err, engine.ErrFull) {
				continue
			}
			for task, id := range ids[i] {
				if id == 0 {
					require.Zero(t, ids[1-i][task], "task %d: %v", task, errs)
				}
			}
		}
		for _, e := range engines {
			require.NoError(t, e.Close())
		}
	}
}

// TestClusterPullsLarge pulls more bytes than come at once. With replicas a server says
// that these are all before it sends them: none is left to its lease.
func TestClusterPullsLarge(t *testing.T) {
	if !*withCluster {
		t.Skip("SKIPPED: needs three servers: go test -run=TestCluster -cluster")
	}
	e := open(t, startCluster(t)[0], newName(), &jetstream.Options{Replicas: 3})
	const n = 40
	large := make([][]byte, n)
	for i := range large {
		large[i] = make([]byte, 1000<<10)
	}
	_, err := e.Push(t.Context(), "a", large)
	require.NoError(t, err)
	began := time.Now()
	for _, d := range pull(t, e, n) {
		assert.Equal(t, 1, d.Attempt)
	}
	assert.Less(t, time.Since(began), 5*time.Second, "it waited for what does not come")
}
