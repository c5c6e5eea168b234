package main

import (
	"context"
	"fmt"
)

// A queue is an engine that has been started, on an empty store, with workers that
// run work. It keeps the result of each task.
type queue interface {
	// SubmitAll submits tasks in the fastest way that the engine has for many at once.
	SubmitAll(ctx context.Context, in []int) error
	// Submit submits one. Any number of goroutines call it.
	Submit(ctx context.Context, in int) error
	// Wait returns when all of the n tasks that were submitted have a result that is
	// stored, and are acknowledged.
	Wait(ctx context.Context, n int) error
	// Call submits a task and waits for its result.
	Call(ctx context.Context, in int) (int, error)
	// Results reads all results that are stored.
	Results(ctx context.Context) ([]int, error)
	Close() error
}

// work is the task: it does nothing, and its result is another than its input.
func work(in int) int { return in + 1 }

// check reports an error unless the results are those of the tasks 0 to n-1, each once.
func check(n int, results []int) error {
	seen := make([]bool, n)
	for _, v := range results {
		switch {
		case v < work(0) || v > work(n-1):
			return fmt.Errorf("got result %d, want %d to %d", v, work(0), work(n-1))
		case seen[v-work(0)]:
			return fmt.Errorf("got result %d twice", v)
		}
		seen[v-work(0)] = true
	}
	if len(results) != n {
		return fmt.Errorf("got %d results, want %d", len(results), n)
	}
	return nil
}
