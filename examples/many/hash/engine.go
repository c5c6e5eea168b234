package main

import (
	"context"
	"errors"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
)

// serve has the server of a folder here, as soon as no other process has it, until stop is called.
func serve(dir string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		inUse := func(err error) bool { return errors.Is(err, embedded.ErrInUse) }
		server, err := again(ctx, inUse, func() (*embedded.Server, error) { return embedded.Start(ctx, dir, nil) })
		if err == nil {
			<-ctx.Done()
			server.Close()
		} else if ctx.Err() == nil {
			log.Fatal(err)
		}
	})
	return func() {
		cancel()
		serving.Wait()
	}
}

// open opens an engine. It waits for the server of a folder, which may just be starting elsewhere.
func open(ctx context.Context, where, name string, opts *jetstream.Options) (*jetstream.Engine, error) {
	if strings.Contains(where, "://") {
		return jetstream.Open(ctx, where, name, opts)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	always := func(error) bool { return true }
	return again(ctx, always, func() (*jetstream.Engine, error) { return jetstream.OpenFolder(ctx, where, name, opts) })
}

// again calls fn until it works, or never will, or ctx is done.
func again[V any](ctx context.Context, retryable func(error) bool, fn func() (V, error)) (V, error) {
	for {
		v, err := fn()
		if err == nil || !retryable(err) {
			return v, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return v, err
		}
	}
}

type lock interface {
	engine.Engine
	engine.Retryabler
}

// inTurn calls fn while no other process does.
//
// The lock is a task, in an engine whose queue has room for one. The process that runs it has
// the turn. If that dies, the task is delivered to another one; if it is only cut off, two have
// the turn, and files are read twice. When it is done there is room for another task.
func inTurn(ctx context.Context, turns lock, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var begun atomic.Bool
	var result error
	turn := func(ctx context.Context, _ string) (string, error) {
		if begun.Swap(true) { // this process has had its turn
			<-ctx.Done()
			return "", context.Cause(ctx) // which gives the task back
		}
		defer cancel() // ends the pool; the task is done unless its error is that of a cancel
		result = fn(ctx)
		return "", result
	}
	p, err := again(ctx, turns.Retryable, func() (*pool.Pool[string, string], error) {
		return pool.Join(ctx, turn, turns, &pool.Options{Workers: 1})
	})
	if err != nil {
		return err
	}
	// Some other process may run the task that this one has submitted: so it submits another.
	go func() {
		for err := error(nil); err == nil; {
			_, err = p.Submit(ctx, "turn")
		}
	}()
	<-p.Done()
	if begun.Load() {
		return result
	}
	return p.Stop(ctx)
}
