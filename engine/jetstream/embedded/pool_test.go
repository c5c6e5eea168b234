package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

func TestRacedOpen(t *testing.T) {
	s := start(t, fast)
	for range 5 {
		name := newName()
		engines := make([]*jetstream.Engine, 8)
		kinds := make([]string, len(engines))
		var wg sync.WaitGroup
		for i := range engines {
			wg.Go(func() {
				var err error
				engines[i], err = jetstream.Open(t.Context(), s.URL(), name, as(s.URL(), nil))
				if !assert.NoError(t, err) {
					return
				}
				kinds[i], err = engines[i].Describe(t.Context(), strconv.Itoa(i))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		require.False(t, t.Failed())
		for i, e := range engines {
			assert.Equal(t, kinds[0], kinds[i], "one kind for all")
			push(t, e, strconv.Itoa(i), 1)
		}
		assert.Len(t, pull(t, engines[3], len(engines)), len(engines))
		for _, e := range engines {
			require.NoError(t, e.Close())
		}
	}
}

func TestJoinsWithWhatThePoolHas(t *testing.T) {
	s := start(t, fast)
	name := newName()
	open(t, s.URL(), name, &jetstream.Options{Lease: 7 * time.Second, QueueBound: 3, Retention: time.Hour})
	e := open(t, s.URL(), name, nil)
	assert.Equal(t, 7*time.Second, e.Lease())
	_, err := e.Push(t.Context(), "k", tasks(4))
	assert.ErrorIs(t, err, engine.ErrFull)
	open(t, s.URL(), name, &jetstream.Options{Lease: 7 * time.Second, QueueBound: 3, Retention: time.Hour, Replicas: 1})
}

func TestOtherSettings(t *testing.T) {
	s := start(t, fast)
	name := newName()
	open(t, s.URL(), name, nil)
	for field, opts := range map[string]jetstream.Options{
		"Lease is 1s":         {Lease: time.Second},
		"QueueBound is 5":     {QueueBound: 5},
		"Retention is 1h0m0s": {Retention: time.Hour},
		"Replicas is 3":       {Replicas: 3},
	} {
		_, err := jetstream.Open(t.Context(), s.URL(), name, as(s.URL(), &opts))
		assert.ErrorContains(t, err, field+" in Options")
		assert.ErrorContains(t, err, "or 0 for what the pool has")
	}
}

// TestForeignStream finds a stream of that name that somebody else has made.
func TestForeignStream(t *testing.T) {
	s := start(t, fast)
	_, js := client(t, s.URL())
	name := newName()
	_, err := js.CreateStream(t.Context(), natsjs.StreamConfig{
		Name: "resultpool_" + name + "_tasks", Subjects: []string{"resultpool." + name + ".task"}, Storage: natsjs.MemoryStorage,
	})
	require.NoError(t, err)
	_, err = jetstream.Open(t.Context(), s.URL(), name, as(s.URL(), nil))
	assert.ErrorContains(t, err, "retention policy is not that of a work queue")
	assert.ErrorContains(t, err, "kept in memory")

	other := newName()
	_, err = js.CreateStream(t.Context(), natsjs.StreamConfig{Name: "all", Subjects: []string{"resultpool." + other + ".>"}})
	require.NoError(t, err)
	_, err = jetstream.Open(t.Context(), s.URL(), other, as(s.URL(), nil))
	assert.ErrorContains(t, err, "overlap")
}

func TestBadOptions(t *testing.T) {
	for want, opts := range map[string]*jetstream.Options{
		"Replicas is 6":   {Replicas: 6},
		"QueueBound is -": {QueueBound: -1},
		"Lease is 1ms":    {Lease: time.Millisecond},
		"Retention is -":  {Retention: -1},
	} {
		_, err := jetstream.Open(t.Context(), "nats://127.0.0.1:1", "x", opts)
		assert.ErrorContains(t, err, want)
	}
	for _, name := range []string{"", "a.b", "a b", "ä", "*", ">", "a/b", string(make([]byte, 200))} {
		_, err := jetstream.Open(t.Context(), "nats://127.0.0.1:1", name, nil)
		assert.ErrorContains(t, err, "the name of the pool", name)
	}
}

func TestWrongURL(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := listener.Addr().String()
	require.NoError(t, listener.Close())
	began := time.Now()
	_, err = jetstream.Open(t.Context(), "nats://me:secret@"+closed+", nats://token@"+closed, "x", nil)
	assert.ErrorContains(t, err, "no NATS server answers at nats://xxxxx@"+closed)
	assert.NotContains(t, err.Error(), "secret")
	assert.NotContains(t, err.Error(), "token")
	assert.Less(t, time.Since(began), 2*time.Second, "it tries again")

	_, err = jetstream.Open(t.Context(), "nats://me:secret%zz@"+closed, "x", nil)
	assert.ErrorContains(t, err, "is no address of a NATS server")
	assert.NotContains(t, err.Error(), "secret")
}

// TestOpenEndsWithItsContext opens what takes connections and says nothing.
func TestOpenEndsWithItsContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = jetstream.Open(ctx, "nats://"+listener.Addr().String(), "x", nil)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestWithoutJetStream(t *testing.T) {
	s := startStandalone(t)
	s.kill()
	s.configure(t, "listen: "+strconv.Quote(s.url[len("nats://"):]))
	s.start(t)
	_, err := jetstream.Open(t.Context(), s.url, "x", nil)
	assert.ErrorContains(t, err, "JetStream is not enabled")
}

func TestFull(t *testing.T) {
	s := start(t, fast)
	e := open(t, s.URL(), newName(), &jetstream.Options{QueueBound: 4})
	ids, err := e.Push(t.Context(), "a", tasks(6))
	require.ErrorIs(t, err, engine.ErrFull)
	require.Len(t, ids, 6)
	for i, id := range ids {
		assert.Equal(t, i < 4, id != 0, "task %d has ID %d", i, id)
	}
	again, err := e.Push(t.Context(), "a", tasks(6))
	require.ErrorIs(t, err, engine.ErrFull)
	assert.Equal(t, ids, again, "what is there is found also when the queue is full")
	require.NoError(t, e.Ack(t.Context(), pull(t, e, 2)))
	eventually(t, func() error {
		again, err = e.Push(t.Context(), "a", tasks(6))
		return err
	})
	assert.Equal(t, ids[:4], again[:4])
	assert.NotZero(t, again[5])
}

func TestTooLarge(t *testing.T) {
	s := start(t, fast)
	e := open(t, s.URL(), newName(), nil)
	const limit = 1<<20 - 512
	ids, err := e.Push(t.Context(), "a", [][]byte{{1}, make([]byte, limit+1)})
	assert.ErrorIs(t, err, engine.ErrTooLarge)
	assert.ErrorContains(t, err, strconv.Itoa(limit))
	assert.Empty(t, ids)
	err = e.Save(t.Context(), []engine.Record{{ID: 7, Data: make([]byte, limit+1)}})
	assert.ErrorIs(t, err, engine.ErrTooLarge)
	assert.True(t, e.Retryable(errors.New("any")))

	size, err := e.Size(t.Context())
	require.NoError(t, err)
	assert.Zero(t, size, "tasks that were pushed with one that is too large")

	ids, err = e.Push(t.Context(), "b", [][]byte{make([]byte, limit)})
	require.NoError(t, err)
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: ids[0], Data: make([]byte, limit)}}))
	assert.Len(t, pull(t, e, 1)[0].Task, limit)
	data, err := e.Wait(t.Context(), ids[0])
	require.NoError(t, err)
	assert.Len(t, data, limit)
	for rec, err := range e.All(t.Context()) {
		require.NoError(t, err)
		assert.Len(t, rec.Data, limit)
	}
}

// TestManyLarge pushes at once more bytes than a server takes in before it stores them.
func TestManyLarge(t *testing.T) {
	s := start(t, fast)
	e := open(t, s.URL(), newName(), nil)
	const n, size = 200, 1000 << 10
	large := make([][]byte, n)
	recs := make([]engine.Record, n)
	for i := range large {
		large[i] = make([]byte, size)
	}
	ids, err := e.Push(t.Context(), "a", large)
	require.NoError(t, err)
	for i := range recs {
		recs[i] = engine.Record{ID: ids[i], Data: large[i]}
	}
	require.NoError(t, e.Save(t.Context(), recs))
	seen := make(map[uint64]bool)
	for rec, err := range e.All(t.Context()) {
		require.NoError(t, err)
		require.False(t, seen[rec.ID])
		seen[rec.ID] = true
	}
	assert.Len(t, seen, n)
}

// TestAllTurnsPages has more results than one page, and holes.
func TestAllTurnsPages(t *testing.T) {
	s := start(t, fast)
	e := open(t, s.URL(), newName(), nil)
	const n = 1500
	want := make(map[uint64]string)
	var recs []engine.Record
	var dels []uint64
	for id := uint64(1); id <= n; id++ {
		recs = append(recs, engine.Record{ID: id, Data: fmt.Append(nil, id)})
		if id%3 == 0 || id > 600 && id < 1000 {
			dels = append(dels, id)
		} else {
			want[id] = fmt.Sprint(id)
		}
	}
	_, err := e.Describe(t.Context(), "is no result")
	require.NoError(t, err)
	require.NoError(t, e.Save(t.Context(), recs))
	require.NoError(t, e.Delete(t.Context(), dels))
	got := make(map[uint64]string)
	for rec, err := range e.All(t.Context()) {
		require.NoError(t, err)
		require.NotContains(t, got, rec.ID)
		got[rec.ID] = string(rec.Data)
	}
	assert.Equal(t, want, got)
}

// TestMadeAnew deletes the streams: IDs are above those that were.
func TestMadeAnew(t *testing.T) {
	s := start(t, fast)
	_, js := client(t, s.URL())
	// With the last stream of an account the server removes the account's directory, in the
	// background, from under a stream that is made at that moment. So one stays.
	_, err := js.CreateStream(t.Context(), natsjs.StreamConfig{Name: "stays"})
	require.NoError(t, err)
	name := newName()
	var last uint64
	for round := range 3 {
		e := open(t, s.URL(), name, nil)
		ids := push(t, e, "k"+strconv.Itoa(round), 300)
		require.Greater(t, ids[0], last)
		last = ids[len(ids)-1]
		require.NoError(t, e.Close())
		for _, stream := range []string{"tasks", "results", "starts"} {
			require.NoError(t, js.DeleteStream(t.Context(), "resultpool_"+name+"_"+stream))
		}
	}
}

// TestKindOutlivesResults has results forgotten, and the server started again: what the
// tasks are is still known.
func TestKindOutlivesResults(t *testing.T) {
	t.Parallel()
	s := startStandalone(t)
	name := newName()
	e := open(t, s.url, name, &jetstream.Options{Retention: time.Second})
	kind, err := e.Describe(t.Context(), "thumbs")
	require.NoError(t, err)
	assert.Equal(t, "thumbs", kind)
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: 1, Data: []byte("r")}}))
	forgotten := func() error {
		if _, err := e.Load(t.Context(), 1); !errors.Is(err, engine.ErrNotFound) {
			return fmt.Errorf("Load: %v", err)
		}
		return nil
	}
	eventually(t, forgotten)
	kind, err = e.Describe(t.Context(), "other")
	require.NoError(t, err)
	assert.Equal(t, "thumbs", kind)
	s.kill()
	s.start(t)
	eventually(t, func() error {
		return e.Save(t.Context(), []engine.Record{{ID: 1, Data: []byte("r")}})
	})
	eventually(t, forgotten)
	kind, err = e.Describe(t.Context(), "other")
	require.NoError(t, err)
	assert.Equal(t, "thumbs", kind)
}

func TestStartsAreCountedForAll(t *testing.T) {
	s := start(t, fast)
	name := newName()
	a, b := open(t, s.URL(), name, nil), open(t, s.URL(), name, nil)
	for i := range 4 {
		e := []*jetstream.Engine{a, b}[i%2]
		n, err := e.MarkStart(t.Context(), 5, 1)
		require.NoError(t, err)
		assert.Equal(t, i+1, n)
	}
	n, err := a.MarkStart(t.Context(), 6, 3)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}
