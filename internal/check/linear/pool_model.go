package linear

import (
	"errors"
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// taskCall is something that happens to one task of a pool.
type taskCall struct {
	kind   taskKind
	id     store.ID
	number int // of the job, where it is known: when it is accepted or runs
}

type taskKind int

const (
	accepted taskKind = iota // Submit has returned its ID
	ran                      // the pool has called the task function
	stored                   // the pool has put a result, and the store has taken it
	got                      // by Pool.Get
	deleted                  // from the store
	listed                   // what Results has shown of it
	quiet                    // Wait or Stop has returned nil
)

// taskReply is what was seen of a task's result.
type taskReply struct {
	verdict verdict // found, missing or done
	number  int     // of the job whose outcome was found; notRun for none
}

// notRun is the number of an outcome that says that the task was not run.
const notRun = -1

// A task walks through these, and skips running if the pool is cancelled.
type taskStage int

const (
	unknown taskStage = iota
	pending
	finished // the function has been called, and its outcome is not stored
	kept
	gone
)

// taskState is where a task is.
type taskState struct {
	stage  taskStage
	number int // of the job, or notRun once that is its outcome
}

// taskModel is one task of a pool, from Submit to Delete. The tasks of a pool have
// the queue and the workers in common, but nothing that is asked here tells the one
// from the other.
//
// A call of the task function is an operation as well, and each Put of the pool's:
// so whoever waits for a result, or for all, is shown to have waited for them.
func taskModel() porcupine.Model {
	return porcupine.Model{
		Partition: partition(func(c taskCall) store.ID { return c.id }),
		Init:      func() any { return taskState{} },
		Step: func(state, input, output any) (bool, any) {
			return state.(taskState).step(input.(taskCall), output.(taskReply))
		},
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%v -> %v", input.(taskCall), output.(taskReply))
		},
		DescribeState: func(state any) string {
			s := state.(taskState)
			return fmt.Sprintf("%s, job %d", [...]string{"unknown", "pending", "finished", "kept", "gone"}[s.stage], s.number)
		},
	}
}

func (s taskState) step(c taskCall, r taskReply) (bool, taskState) {
	if c.id == 0 { // a job that ran although nobody was told its ID
		return false, s
	}
	switch c.kind {
	case accepted:
		return s.stage == unknown, taskState{pending, c.number}
	case ran:
		return s.stage == pending && c.number == s.number, taskState{finished, s.number}
	case stored:
		if r.number == notRun {
			return s.stage == pending, taskState{kept, notRun}
		}
		return s.stage == finished && r.number == s.number, taskState{kept, s.number}
	case deleted:
		if s.stage == kept {
			s.stage = gone
		}
		return true, s
	case quiet:
		return s.stage != pending && s.stage != finished, s
	}
	switch {
	case r.verdict == found:
		return s.stage == kept && r.number == s.number, s
	case r.verdict == missing && c.kind == got: // Get waits for what is under way
		return s.stage == unknown || s.stage == gone, s
	default:
		return r.verdict == missing && s.stage != kept, s
	}
}

func (c taskCall) String() string {
	name := [...]string{"Submit", "run", "Put", "Get", "Delete", "Results", "Wait or Stop"}[c.kind]
	return fmt.Sprintf("%s(task %d, job %d)", name, c.id, c.number)
}

func (r taskReply) String() string {
	if r.verdict == found {
		return fmt.Sprintf("outcome of job %d", r.number)
	}
	return storeReply{verdict: r.verdict}.String()
}

// jobError is the error of a job that fails, and what one panics with.
type jobError int

func (e jobError) Error() string { return fmt.Sprintf("job %d", int(e)) }

// do is a task function: what a job does follows from its number.
func do(number int) (int, error) {
	switch number % 5 {
	case 1:
		return number, jobError(number)
	case 2:
		panic(jobError(number))
	default:
		return number, nil
	}
}

// outcomeOf tells by value and error which job's outcome a result is.
func outcomeOf(value int, err error) taskReply {
	var e jobError
	var p *pool.PanicError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return taskReply{verdict: missing}
	case errors.Is(err, pool.ErrNotRun) && value == 0:
		return taskReply{found, notRun}
	case err == nil && value%5 != 1 && value%5 != 2:
		return taskReply{found, value}
	case errors.As(err, &p) && errors.As(err, &e) && value == 0 && e%5 == 2:
		return taskReply{found, int(e)}
	case errors.As(err, &e) && int(e) == value && e%5 == 1:
		return taskReply{found, value}
	default:
		return taskReply{verdict: wrong}
	}
}
