package chaos

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/store"
)

// A Task is one task of a round, and the account of what became of it.
type Task struct {
	number int // its own in the round, from 1; also its value
	does   behaviour
	long   time.Duration // how long it takes, if it takes time
	kids   []*Task       // submitted from inside
	how    opKind        // … by this

	// Written by the one goroutine that submits the task, and read by others only
	// once all have ended.
	offered bool
	refused error

	id      atomic.Uint64 // 0 until it is accepted, as far as its submitter knows
	ran     atomic.Int32
	outcome atomic.Pointer[outcome] // set by the task as its last act
	deleted atomic.Bool             // somebody has begun to delete its result
}

// behaviour is what a task does. The first few are its end as well.
type behaviour int

const (
	succeeds   behaviour = iota
	fails                // with a value beside the error
	panics               // with a value
	panicsErr            // with an error
	panicsNil            // with nil
	goexits              // as t.FailNow does
	yields               // now and then, and succeeds, as all that follow
	sleeps               // whatever becomes of its context
	obeys                // sleeps until its context ends: then it fails with the cause
	submits              // other tasks
	getsInside           // a task that may not have ended
	waitsInside
	statsInside
	resizesInside
	stopsInside
	behaviours
)

// weights say how many of the tasks do what, the rarer for what ends the fun.
var weights = [behaviours]int{
	succeeds: 24, fails: 8, panics: 4, panicsErr: 2, panicsNil: 1, goexits: 4, yields: 12, sleeps: 3, obeys: 3,
	submits: 8, getsInside: 4, waitsInside: 2, statsInside: 3, resizesInside: 1, stopsInside: 1,
}

// outcome is what a task ended with.
type outcome struct {
	end    end
	value  int
	err    error
	thrown any // what it panicked with
}

type end int

const (
	returned end = iota
	panicked
	exited
)

// taskError is an error of one task; no two are the same.
type taskError struct{ number int }

func (e *taskError) Error() string { return fmt.Sprintf("task %d failed", e.number) }

func (t *Task) storeID() store.ID { return store.ID(t.id.Load()) }

func (t *Task) String() string {
	if t == nil {
		return "nil task"
	}
	return fmt.Sprintf("task %d (does %d, id %d, ran %d)", t.number, t.does, t.id.Load(), t.ran.Load())
}
