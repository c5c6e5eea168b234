//go:build unix

package outage

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/pool"
)

// poolName is the same for all.
const poolName = "outage"

// askAgain is the pause before a server is asked again, where it does not tell by itself.
const askAgain = 50 * time.Millisecond

// join opens the engine and joins it, with fn or nil. A program may be started while there
// is no server, or while three servers have not agreed on who leads: then that is an error,
// and its supervisor starts it again. Here it tries again by itself.
func (p part) join(ctx context.Context, fn func(context.Context, job) (proof, error)) (pl *pool.Pool[job, proof], drv *jetstream.Engine, err error) {
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(askAgain) {
		drv, err = p.open(ctx)
		if err != nil {
			continue
		}
		eng := engine.Engine(drv)
		if p.HoldAck {
			eng = holdsAcks{drv, new(sync.Once)}
		}
		pl, err = pool.Join(context.WithoutCancel(ctx), fn, eng, options(p.Workers))
		if err == nil {
			return pl, drv, nil
		}
		_ = drv.Close()
	}
	return nil, nil, cmp.Or(err, ctx.Err())
}

func (p part) open(ctx context.Context) (*jetstream.Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return jetstream.Open(ctx, p.URL, poolName, &jetstream.Options{
		Lease: p.Lease, Replicas: p.Replicas,
		NATS: []nats.Option{nats.ReconnectWait(50 * time.Millisecond)},
	})
}

// join joins for the test itself, until it ends: it reads.
func (s *site) join() (*pool.Pool[job, proof], *jetstream.Engine) {
	s.t.Helper()
	pl, drv, err := s.client(part{}).join(s.t.Context(), nil)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		assert.NoError(s.t, pl.Stop(context.Background()))
		assert.NoError(s.t, drv.Close())
	})
	return pl, drv
}
