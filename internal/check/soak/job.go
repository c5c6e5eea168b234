package soak

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A job is a task: what it does, and a number by which its outcome is told from
// that of another.
type job struct {
	number uint64
	does   behaviour
}

type behaviour uint8

const (
	succeeds behaviour = iota
	sleeps             // and succeeds
	litters            // makes garbage, and succeeds
	submits            // another task, and succeeds
	asks               // the pool for what it must not wait for, and succeeds
	fails              // with a value
	panics
	goexits // which leaves no number
	behaviours
)

// A payload is what a task gives back: large enough for a few that are kept
// reachable to be seen in the heap, and small enough for all of a cycle to be
// stored at once.
type payload struct {
	number uint64
	_      [248]byte
}

// errJob is the error of a task that fails, and what one panics with.
type errJob struct{ number uint64 }

func (e errJob) Error() string { return fmt.Sprintf("job %d", e.number) }

// run is the task function.
func (s *soak) run(ctx context.Context, in job) (*payload, error) {
	if s.hook != nil {
		s.hook(in.number)
	}
	out := &payload{number: in.number}
	switch in.does {
	case sleeps:
		t := time.NewTimer(time.Duration(in.number%500) * time.Microsecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	case litters:
		var garbage [][]byte
		for range 16 {
			garbage = append(garbage, make([]byte, 4<<10))
		}
		runtime.KeepAlive(garbage)
	case submits:
		s.submitInside(ctx, in)
	case asks:
		s.askInside(ctx)
	case fails:
		return out, errJob{in.number}
	case panics:
		panic(errJob{in.number})
	case goexits:
		runtime.Goexit()
	}
	return out, nil
}

// An outcome is what is seen of a task in its result.
type outcome struct {
	kind   kind
	number uint64 // 0 if the result does not say
}

type kind uint8

const (
	strange kind = iota // none that a task can have
	success
	failure
	panicked
	exited
	notRun
)

// read tells what became of a task.
func read(value *payload, err error) outcome {
	var fromJob errJob
	var panicErr *pool.PanicError
	switch {
	case err == nil && value != nil:
		return outcome{success, value.number}
	case errors.As(err, &panicErr) && errors.As(err, &fromJob) && value == nil:
		return outcome{panicked, fromJob.number}
	case errors.As(err, &fromJob) && value != nil && value.number == fromJob.number:
		return outcome{failure, fromJob.number}
	case errors.Is(err, pool.ErrGoexit) && value == nil:
		return outcome{kind: exited}
	case errors.Is(err, pool.ErrNotRun) && value == nil:
		return outcome{kind: notRun}
	default:
		return outcome{}
	}
}

// explains reports whether the job can have had that outcome. Only in a pool that
// was cancelled may it be that it has not run.
func (j job) explains(out outcome, cancelled bool) bool {
	switch {
	case out.kind == notRun:
		return cancelled
	case j.does == goexits:
		return out.kind == exited
	case out.number != j.number:
		return false
	case j.does == fails:
		return out.kind == failure
	case j.does == panics:
		return out.kind == panicked
	default:
		return out.kind == success
	}
}

// waited says who reads the result of a task: one who waits for it with Get, or
// else the sweeper.
func waited(id store.ID) bool { return id%3 == 0 }
