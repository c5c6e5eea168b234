package embedded_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// TestEmbedded checks the engine on the server in this process. Half of the pools
// are joined over the server's address, as by another process.
func TestEmbedded(t *testing.T) {
	s := start(t, nil)
	var subjects atomic.Int64
	enginetest.Run(t, func(tb testing.TB) enginetest.Subject {
		if subjects.Add(1)%2 == 0 {
			return subject(tb, s.URL(), nil)
		}
		return subject(tb, "nats://in-process", &jetstream.Options{NATS: s.ClientOptions()})
	})
}

// TestStandalone checks it on a server in another process.
func TestStandalone(t *testing.T) {
	t.Parallel()
	s := startStandalone(t)
	enginetest.Run(t, func(tb testing.TB) enginetest.Subject { return subject(tb, s.url, nil) })
}

// subject is a pool of its own on the server at url.
func subject(tb testing.TB, url string, opts *jetstream.Options) enginetest.Subject {
	const bound = 256
	if opts == nil {
		opts = &jetstream.Options{}
	}
	opts.Lease, opts.QueueBound = 4*time.Second, bound
	name := newName()
	return enginetest.Subject{
		Open: func(ctx context.Context) (engine.Engine, error) {
			e, err := jetstream.Open(ctx, url, name, as(url, opts))
			if err != nil {
				return nil, err
			}
			return e, nil
		},
		QueueBound: bound,
		TooLarge:   2 << 20,
		Remake: func(ctx context.Context) error {
			_, js := client(tb, url, opts.NATS...)
			for _, stream := range []string{"tasks", "results", "starts"} {
				if err := js.DeleteStream(ctx, "resultpool_"+name+"_"+stream); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
