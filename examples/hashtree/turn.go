package main

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// A turn is what one hashtree has at a time, of all that share an engine: a lock that
// outlives its owner by no more than a lease.
//
// It is the only task of a queue that has room for one. Whoever pulls it has the turn, for
// as long as it extends the lease, and acknowledges it in the end; then there is room for
// another one. If the owner dies, or is cut off, the lease ends and the next one has it.
// Then two may have it for a while, if the first is only cut off: files are read twice, and
// no sum is wrong.
//
// To give it back would be shorter. But JetStream forgets that when it is started again, and
// waits for the lease.
type turn struct {
	eng  engine.Engine
	held []engine.Delivery
	stop context.CancelFunc
	beat sync.WaitGroup
}

// shortly is after how long somebody else is known to have the turn.
const shortly = 500 * time.Millisecond

// lookForTurn is how often those who wait see to it that there is a turn at all: who had
// it may have died between taking it out of the queue and putting in the next. It is long
// enough for the engine on JetStream to remove a turn that was acknowledged and is still
// there since the server has died: a Pull does so after 5 s.
const lookForTurn = 8 * time.Second

// takeTurn waits for the turn until ctx is done. It calls waiting, on another goroutine, if
// it has to wait long.
func takeTurn(ctx context.Context, eng engine.Engine, waiting func()) (*turn, error) {
	timer := time.AfterFunc(shortly, waiting)
	defer timer.Stop()
	t := &turn{eng: eng}
	err := again(ctx, eng, func() error {
		for {
			if err := addTurn(ctx, eng); err != nil && !errors.Is(err, engine.ErrFull) {
				return err
			}
			pulling, cancel := context.WithTimeout(ctx, lookForTurn)
			held, err := eng.Pull(pulling, 1)
			timedOut := pulling.Err() != nil && ctx.Err() == nil
			cancel()
			switch {
			case len(held) > 0:
				t.held = held
				return nil
			case !timedOut:
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	beating, stop := context.WithCancel(context.Background())
	t.stop = stop
	t.beat.Go(func() {
		tick := time.NewTicker(eng.Lease() / 3)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = eng.Extend(beating, t.held) // the next one may work
			case <-beating.Done():
				return
			}
		}
	})
	return t, nil
}

// handOver is how long it may take until there is room for the next turn. It may also be
// that somebody else has put it there.
const handOver = time.Second

// release lets the next one have the turn. If it fails, that has it when the lease ends, or
// puts it there itself.
func (t *turn) release() {
	t.stop()
	t.beat.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), handOver)
	defer cancel()
	if t.eng.Ack(ctx, t.held) == nil {
		_ = again(ctx, t.eng, func() error { return addTurn(ctx, t.eng) })
	}
}

// addTurn puts a turn into the queue, or returns ErrFull. Each has a key of its own: to the
// engine they are different tasks.
func addTurn(ctx context.Context, eng engine.Engine) error {
	_, err := eng.Push(ctx, rand.Text(), [][]byte{[]byte("turn")})
	return err
}

// again makes a call until it works, ctx is done, or it never will work. Between two calls
// it pauses.
func again(ctx context.Context, eng engine.Engine, call func() error) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := call()
		r, ok := eng.(engine.Retryabler)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case ok && !r.Retryable(err):
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
