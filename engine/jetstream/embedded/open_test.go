package embedded_test

import (
	"context"
	"net"
	"path/filepath"
	"slices"
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

// Opening a pool: options, addresses, and pools that exist.

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

// TestUnescapedPasswords gives addresses that are none, most of them with credentials that have
// characters which have to be escaped. Errors do not show them. No address, as in a program whose
// environment lacks it, does not mean a server on this machine.
func TestUnescapedPasswords(t *testing.T) {
	for want, urls := range map[string][]string{
		"the address of the servers is empty, want nats://HOST:PORT": {"", " ", ",", " , "},
		"no address of a NATS server": {
			"nats://me:sec/ret@127.0.0.1:1", "nats://me:sec?ret@127.0.0.1:1", "nats://me:sec#ret@127.0.0.1:1",
			"nats://sec/ret@127.0.0.1:1", "nats://sec?ret@127.0.0.1:1", "nats://sec#ret@127.0.0.1:1", "nats://me:secret%zz@127.0.0.1:1",
			"nats://me:sec,ret@127.0.0.1:1", "nats://me:sec%zret@127.0.0.1:1", "nats://me:sec ret@127.0.0.1:1",
			"nats://me:12/sec@127.0.0.1:1", "nats://127.0.0.1:1,nats://me:sec/ret@127.0.0.1:1",
		},
		"no NATS server answers at xxxxx@127.0.0.1:1":        {"me:sec@ret@127.0.0.1:1"},
		"no NATS server answers at nats://xxxxx@127.0.0.1:1": {"nats://me:secret@127.0.0.1:1, nats://secret@127.0.0.1:1"},
	} {
		for _, url := range urls {
			began := time.Now()
			_, err := jetstream.Open(t.Context(), url, "x", nil)
			if assert.ErrorContains(t, err, want, url) {
				assert.NotContains(t, err.Error(), "sec", url)
				assert.NotContains(t, err.Error(), "ret", url)
			}
			assert.Less(t, time.Since(began), 2*time.Second, "it tries again")
		}
	}
}

// TestOpenEndsWithItsContext opens a server that takes connections and says nothing.
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
	s := newStandalone(t, "")
	s.lines = s.lines[:1]
	s.restart(t)
	_, err := jetstream.Open(t.Context(), s.url, "x", nil)
	assert.ErrorContains(t, err, "JetStream is not enabled")
}

// TestRacedOpen has eight processes make a pool at once. It has one kind for all of them.
func TestRacedOpen(t *testing.T) {
	s := start(t, fast)
	for range 5 {
		name := newName()
		var kinds [8]string
		var wg sync.WaitGroup
		for i := range kinds {
			wg.Go(func() {
				e, err := jetstream.Open(t.Context(), s.url, name, nil)
				if !assert.NoError(t, err) {
					return
				}
				defer func() { assert.NoError(t, e.Close()) }()
				kinds[i], err = e.Describe(t.Context(), strconv.Itoa(i))
				assert.NoError(t, err)
				_, err = e.Push(t.Context(), strconv.Itoa(i), tasks(1))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Len(t, slices.Compact(kinds[:]), 1)
		pull(t, open(t, s.url, name, nil), len(kinds))
	}
}

// TestOtherSettings opens a pool with the settings that it has, with none and with others.
func TestOtherSettings(t *testing.T) {
	s := start(t, fast)
	p := newPool(t, s.url, &jetstream.Options{Lease: 7 * time.Second, QueueBound: 3, Retention: time.Hour})
	p.other(&jetstream.Options{Lease: 7 * time.Second, QueueBound: 3, Retention: time.Hour, Replicas: 1})
	e := p.other(nil)
	assert.Equal(t, 7*time.Second, e.Lease())
	_, err := e.Push(t.Context(), "k", tasks(4))
	assert.ErrorIs(t, err, engine.ErrFull)
	for field, opts := range map[string]jetstream.Options{
		"Lease is 1s":         {Lease: time.Second},
		"QueueBound is 5":     {QueueBound: 5},
		"Retention is 2h0m0s": {Retention: 2 * time.Hour},
		"Replicas is 3":       {Replicas: 3},
	} {
		_, err := jetstream.Open(t.Context(), s.url, p.name, &opts)
		assert.ErrorContains(t, err, field+" in Options")
		assert.ErrorContains(t, err, "or 0 for what the pool has")
	}
}

// TestForeignSettings opens pools with a stream or a consumer that somebody has made or changed,
// so that it loses tasks or results, or makes others of them.
func TestForeignSettings(t *testing.T) {
	s := start(t, fast)
	type config = natsjs.StreamConfig
	for _, test := range []struct {
		stream string
		change func(*config)
		want   string
	}{
		{"tasks", func(c *config) { c.Subjects = []string{"other"} }, `its subjects are ["other"], want`},
		{"tasks", func(c *config) { c.Retention = natsjs.LimitsPolicy }, "retention policy is not that of a work queue"},
		{"tasks", func(c *config) { c.Storage = natsjs.MemoryStorage }, "kept in memory"},
		{"tasks", func(c *config) { c.NoAck = true }, "it does not acknowledge"},
		{"tasks", func(c *config) { c.Subjects = c.Subjects[:1] }, "the pool was made by an earlier version"},
		{"tasks", func(c *config) { c.DiscardNewPerSubject = false }, "it limits the tasks of a subject"},
		{"tasks", func(c *config) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = -1, false }, "it is not bounded"},
		{"results", func(c *config) { c.NoAck = true }, "it does not acknowledge"},
		{"results", func(c *config) { c.MaxMsgs = 3 }, "it discards old results"},
		{"results", func(c *config) { c.MaxBytes = 3000 }, "it discards old results"},
		{"results", func(c *config) { c.RePublish.HeadersOnly = true }, "it does not republish results as it has to"},
		{"results", func(c *config) { c.RePublish.Destination = "other.{{wildcard(1)}}" }, "it does not republish results as it has to"},
	} {
		p := newPool(t, s.url, nil)
		st, err := p.js.Stream(t.Context(), p.stream(test.stream))
		require.NoError(t, err)
		conf := st.CachedInfo().Config
		p.deleteStreams(test.stream)
		test.change(&conf)
		_, err = p.js.CreateStream(t.Context(), conf)
		require.NoError(t, err)
		_, err = jetstream.Open(t.Context(), s.url, p.name, nil)
		assert.ErrorContains(t, err, conf.Name+": ")
		assert.ErrorContains(t, err, test.want)
		p.deleteStreams(test.stream)
	}

	p := newPool(t, s.url, nil)
	conf := p.consumer(func(*natsjs.ConsumerInfo) bool { return true }).Config
	conf.HeadersOnly = true
	_, err := p.js.UpdateConsumer(t.Context(), p.stream("tasks"), conf)
	require.NoError(t, err)
	_, err = jetstream.Open(t.Context(), s.url, p.name, nil)
	assert.ErrorContains(t, err, "it delivers headers and no tasks")

	other := newName()
	_, err = p.js.CreateStream(t.Context(), config{Name: "all", Subjects: []string{"resultpool." + other + ".>"}})
	require.NoError(t, err)
	_, err = jetstream.Open(t.Context(), s.url, other, nil)
	assert.ErrorContains(t, err, "overlap")
}

// TestPartOfPoolMissing deletes streams of a pool, or its consumer, and opens it. A stream that
// had tasks or results in it is not made anew.
func TestPartOfPoolMissing(t *testing.T) {
	t.Parallel()
	s := start(t, fast)
	for _, test := range []struct {
		tasks   int
		missing []string // nil: only the consumer
		gone    string   // "" if it opens
	}{
		{3, []string{"tasks"}, "tasks"},
		{3, []string{"results", "starts", "kind"}, "results"},
		{3, []string{"tasks", "results"}, "tasks"},
		{3, []string{"starts"}, ""},
		{3, []string{"kind"}, ""},
		{3, []string{"tasks", "results", "starts"}, ""},
		{0, []string{"results", "starts"}, ""}, // a process has died that was making it
		{0, []string{"starts"}, ""},
		{3, nil, ""},
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			p := newPool(t, s.url, nil)
			describe(t, p, "numbers")
			var ids []uint64
			if test.tasks > 0 {
				ids = push(t, p, "a", test.tasks)
				require.NoError(t, p.Save(t.Context(), record(ids[0])))
			}
			require.NoError(t, p.Close())
			p.deleteStreams(test.missing...)
			if test.missing == nil {
				p.deleteConsumer()
				assert.Equal(t, ids, idsOf(pull(t, p.other(nil), test.tasks)))
			}
			if test.gone == "" {
				push(t, p.other(nil), "b", 1)
				return
			}
			_, err := jetstream.Open(t.Context(), s.url, p.name, nil)
			require.ErrorIs(t, err, engine.ErrGone, "%v", test)
			stream := p.stream(test.gone)
			assert.ErrorContains(t, err, "stream "+stream+" is missing")
			assert.ErrorContains(t, err, "restore")
			_, err = p.js.Stream(t.Context(), stream)
			assert.ErrorIs(t, err, natsjs.ErrStreamNotFound, "it was made")
		})
	}
}

// TestSkippedStream has a server elsewhere start without a stream that it cannot read. What is
// left of it is not deleted: after it was restored, everything is there.
func TestSkippedStream(t *testing.T) {
	for _, stream := range []string{"tasks", "results"} {
		t.Run(stream, func(t *testing.T) {
			s := newStandalone(t, "sync_interval: always")
			var ids []uint64
			s.during(t, nil, func(e *jetstream.Engine) {
				ids = push(t, e, "a", 50)
				ds := pull(t, e, 1)
				require.NoError(t, e.Save(t.Context(), record(ids[0])))
				require.NoError(t, e.Nack(t.Context(), ds))
			})
			flip := damage{filepath.Join(streamDir("", stream), "meta.inf"), flipBit, 0}
			flip.apply(t, s.dir)
			s.restart(t)
			_, err := jetstream.Open(t.Context(), s.url, "x", nil)
			require.ErrorIs(t, err, engine.ErrGone)

			s.stop()
			flip.apply(t, s.dir)
			s.during(t, nil, func(e *jetstream.Engine) {
				assert.Equal(t, 50, size(t, e))
				assert.Equal(t, "r", load(t, e, ids[0]))
			})
		})
	}
}
