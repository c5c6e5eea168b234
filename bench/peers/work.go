package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// A task is the function of all tasks of a job. It returns its input, so that
// results can be checked without a record of what they ought to be.
type task = func(context.Context, int) (int, error)

// A work is what tasks do.
type work struct {
	title string
	task  func(c calibration, n int) task // for n tasks
}

var works = map[string]work{
	"trivial": {"a function that does nothing", func(calibration, int) task { return trivial }},
	"1us":     {"1 µs of arithmetic", func(c calibration, _ int) task { return arithmetic(int(c)) }},
	"10us":    {"10 µs of arithmetic", func(c calibration, _ int) task { return arithmetic(10 * int(c)) }},
	"100us":   {"100 µs of arithmetic", func(c calibration, _ int) task { return arithmetic(100 * int(c)) }},
	"1ms":     {"1 ms of arithmetic", func(c calibration, _ int) task { return arithmetic(1000 * int(c)) }},
	"mix":     {"99 % of 0.1 µs, 0.9 % of 10 µs, 0.1 % of 0.5 ms, in a fixed random order", mixed},
	"sleep":   {"1 ms of waiting", func(calibration, int) task { return sleeping(time.Millisecond) }},
	"sleep10": {"10 ms of waiting", func(calibration, int) task { return sleeping(10 * time.Millisecond) }},
}

// lengths are the works whose tasks all keep a processor busy for the same time, the shortest
// first.
var lengths = []string{"1us", "10us", "100us", "1ms"}

func trivial(_ context.Context, in int) (int, error) { return in, nil }

func sleeping(d time.Duration) task {
	return func(_ context.Context, in int) (int, error) {
		time.Sleep(d)
		return in, nil
	}
}

// A taskError is the error of the task with that input.
type taskError int

func (e taskError) Error() string { return fmt.Sprintf("task %d failed", int(e)) }

func arithmetic(rounds int) task {
	return func(_ context.Context, in int) (int, error) {
		if spin(rounds) == 0 { // never, but the compiler does not know
			return 0, taskError(in)
		}
		return in, nil
	}
}

func mixed(c calibration, n int) task {
	rng := rand.New(rand.NewPCG(1, 2))
	rounds := make([]int32, n)
	for i := range rounds {
		switch x := rng.IntN(1000); {
		case x == 0:
			rounds[i] = int32(500 * int(c))
		case x < 10:
			rounds[i] = int32(10 * int(c))
		default:
			rounds[i] = int32(int(c) / 10)
		}
	}
	return func(_ context.Context, in int) (int, error) {
		if spin(int(rounds[in])) == 0 {
			return 0, taskError(in)
		}
		return in, nil
	}
}

// spin keeps a processor busy: each round waits for the one before, and none
// touches memory.
//
//go:noinline
func spin(rounds int) uint64 {
	x := uint64(88172645463325252)
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// A calibration is how many rounds of spin take a microsecond.
type calibration int

// calibrate measures it. The fastest of many short tries is the one in which
// nothing else ran.
func calibrate() calibration {
	const rounds = 100_000
	best := time.Duration(1 << 62)
	for range 50 {
		began := time.Now()
		if spin(rounds) == 0 {
			panic("spin has come to an end")
		}
		best = min(best, time.Since(began))
	}
	return calibration(max(10, int64(rounds)*1000/max(1, best.Nanoseconds())))
}
