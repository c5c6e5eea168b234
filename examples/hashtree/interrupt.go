package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
)

// errInterrupted is the reason of all that ends early because of Ctrl-C.
var errInterrupted = errors.New("interrupted")

// interrupts returns two contexts: stopping is done after the first Ctrl-C and
// cancelled after the second. The second also ends the hearing of signals, so
// that the third kills the process. release frees all.
func interrupts(signals chan os.Signal) (stopping, cancelled context.Context, release func()) {
	stopping, stop := context.WithCancelCause(context.Background())
	cancelled, cancel := context.WithCancelCause(context.Background())

	released := make(chan struct{})
	var listener sync.WaitGroup
	listener.Go(func() {
		select {
		case <-signals:
			stop(errInterrupted)
		case <-released:
			return
		}
		select {
		case <-signals:
			signal.Stop(signals)
			cancel(errInterrupted)
		case <-released:
		}
	})
	return stopping, cancelled, func() {
		close(released)
		listener.Wait()
		stop(nil)
		cancel(nil)
	}
}
