//go:build unix

package outage

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
)

// work is the worker: it joins, runs tasks, and stops at SIGTERM.
func (p part) work(ctx context.Context, gate <-chan struct{}) {
	var runs atomic.Uint64
	fn := func(_ context.Context, j job) (proof, error) {
		say("run %d", j.N)
		switch {
		case j.Poison:
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case j.Gated:
			<-gate
		default:
			time.Sleep(j.Cost)
		}
		value, err := prove(j.N)
		value.By = fmt.Sprintf("%d-%d", os.Getpid(), runs.Add(1))
		return value, err
	}
	pl, drv, err := p.join(ctx, fn)
	if ctx.Err() != nil && err != nil {
		return // it was asked to stop before it could begin
	}
	if err != nil {
		fail(err)
	}
	say("ready")
	<-ctx.Done()
	if err := pl.Stop(context.Background()); err != nil {
		fail(err)
	}
	if err := drv.Close(); err != nil {
		fail(err)
	}
}

// holdsAcks is an engine whose process never gets from the saving of a result to the
// acknowledging of its task. It says how many results it has saved: those of the first
// acknowledgement, after which nothing is saved any more.
type holdsAcks struct {
	*jetstream.Engine
	once *sync.Once
}

func (h holdsAcks) Ack(_ context.Context, ds []engine.Delivery) error {
	h.once.Do(func() {
		tasks := make(map[uint64]bool)
		for _, d := range ds { // twice the same if a lease has ended
			tasks[d.ID] = true
		}
		say("held %d", len(tasks))
	})
	select {}
}
