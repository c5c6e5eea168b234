package pool

import (
	"fmt"
	"log/slog"
	"runtime"

	"github.com/resultpool/resultpool/store/codec"
)

// Options configures a pool. The zero value, and a nil *Options, mean the defaults. For a negative number, New and
// the other functions that take Options return an error that names the field.
type Options struct {
	// Workers is how many tasks may run at once. 0 means runtime.GOMAXPROCS(0). A worker's goroutine is started
	// when there is first a task for it, and then kept. [Pool.Resize] changes the number later.
	Workers int

	// Queue is how many accepted tasks may wait for a worker; 0 means 1024. Not counted are the tasks that run, and
	// those that workers have claimed to run next: at most 32 each, and none if Queue is less than 32, or less than
	// 16 for each worker (or for each processor if these are fewer). A Submit that finds the queue full waits;
	// inside a task it fails. For tasks that submit tasks, if nobody knows how many, use math.MaxInt: then only
	// memory limits the queue. The memory is allocated as the queue fills, and given back. Map ignores Queue.
	//
	// For a pool of [Join], see the table in the package comment.
	Queue int

	// PerKey is how many tasks with the same key may run at once, in a pool of [NewKeyed]: 0 means 1. New, Join, Map
	// and MapSeq return an error that names it if it is not 0.
	PerKey int

	// Name is what the pool is called in logs, profiles and monitors. It may be empty, and several pools may have
	// the same.
	Name string

	// Logger is told what an operator has to know: a panic, with its stack; that a store or an engine begins to
	// fail, and that it works again; that a task of an engine was poisoned; and what Wait and Stop wait for, after
	// five seconds and then each time twice as long. Nothing is logged for each task. Nil means no logs.
	Logger *slog.Logger

	// Hooks are called as things happen to tasks. Nil costs nothing.
	Hooks *Hooks

	// Profile makes each task run with the pprof labels "pool" (Name) and, in a pool of NewKeyed, "key", and as a
	// task of runtime/trace while tracing is on. That costs some allocations for each task.
	Profile bool

	// Codec says how a pool that has joined an engine encodes its tasks, its values and its errors: with the Values
	// and Errors of package codec. Nil is JSON, and then Join returns an error for a type of which JSON would lose
	// something. All pools that join must have the same. New and Map ignore it.
	Codec *codec.Options
}

// defaultQueue is large enough that workers on small tasks seldom run dry while
// a submitter is off the processor, and small enough not to hide a backlog.
const defaultQueue = 1024

// withDefaults returns a copy with nothing left to decide.
func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Workers < 0 {
		return opts, fmt.Errorf("%w: Workers is %d, want 0 (GOMAXPROCS) or more", ErrNoWorkers, opts.Workers)
	}
	if opts.Queue < 0 {
		return opts, fmt.Errorf("pool: Queue is %d, want 0 (%d) or more", opts.Queue, defaultQueue)
	}
	if opts.PerKey != 0 {
		return opts, fmt.Errorf("pool: PerKey is %d, want 0: only NewKeyed knows keys", opts.PerKey)
	}
	if opts.Workers == 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Queue == 0 {
		opts.Queue = defaultQueue
	}
	return opts, nil
}
