package machine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

var (
	errCause = errors.New("the pool is cancelled")
	errGone  = errors.New("the caller has gone")
	errDown  = errors.New("the store is down")
)

// A job is a task. Once it has started, it does what it is told through its gate.
type job struct {
	*oracle.Task
	gate chan order
	ctx  atomic.Pointer[context.Context] // that it was given

	// The rest is the model's.
	id       store.ID
	stage    stage
	how      how
	notRun   error // why, or nil
	rejected bool  // its result was, and something else is stored
}

// An order is what a job does next.
type order func(ctx context.Context) (over bool, v int, err error)

// obey is the task function.
func obey(ctx context.Context, t *oracle.Task) (int, error) {
	j := t.Do.(*job)
	j.ctx.Store(&ctx)
	for order := range j.gate {
		if over, v, err := order(ctx); over {
			return v, err
		}
	}
	return 0, nil
}

// end has a job end in that way.
func (j *job) end(how how) {
	j.gate <- func(context.Context) (bool, int, error) {
		err := &oracle.TaskError{Number: j.Number}
		switch how {
		case failure:
			return true, j.Number, err
		case throw:
			panic(err)
		case goexit:
			runtime.Goexit()
		}
		return true, j.Number, nil
	}
}

// check returns an error unless v and err are the result that the model has for j.
func (j *job) check(v int, err error) error {
	switch {
	case j.rejected && v == 0 && errors.Is(err, store.ErrRejected):
		return nil
	case j.rejected:
		return oracle.Wrong("it was rejected", v, err)
	case j.notRun != nil:
		return j.NotRun(v, err, j.notRun)
	default:
		return j.Own(v, err)
	}
}

// String says what the model knows of it.
func (j *job) String() string {
	return fmt.Sprintf("task %d (id %d, stage %d, %v, not run %v)", j.Number, j.id, j.stage, j.how, j.notRun)
}

// A call is one call of the pool, on a goroutine of its own or inside a task.
type call struct {
	kind   kind
	cancel context.CancelCauseFunc // of its context
	job    *job                    // of a Get
	rest   []*job                  // of a submit, not accepted yet
	batch  bool                    // they were several

	// What has come out, once done is closed.
	done  chan struct{}
	ids   []store.ID
	value int
	err   error

	// What has to come out, by the model.
	returned    bool
	wantIDs     []store.ID
	wantErr     []error // it matches all of these; none: nil
	orErr       error   // or it is this one
	wantResult  bool    // of job
	wantUnsaved []store.ID
	checked     bool
}

type kind string

const (
	submit kind = "Submit"
	get    kind = "Get"
	wait   kind = "Wait"
	stop   kind = "Stop"
	resize kind = "Resize"
)

// returns says that the call has returned by now, and with what.
func (c *call) returns(err ...error) {
	c.returned, c.wantErr = true, err
}

// one notes what a call has returned that submits one task.
func (c *call) one(id store.ID, err error) {
	if c.err = err; id != 0 {
		c.ids = []store.ID{id}
	}
}

// check compares what has come out with what has to. jobs are those accepted.
func (c *call) check(jobs map[store.ID]*job) error {
	select {
	case <-c.done:
	default:
		if c.returned {
			return fmt.Errorf("%v blocks, and should return %v", c.kind, c.wantErr)
		}
		return nil
	}
	if !c.returned {
		return fmt.Errorf("%v returned %d, %v, and should block", c.kind, c.ids, c.err)
	}
	c.checked = true
	if c.wantResult {
		return c.job.check(c.value, c.err)
	}
	if c.orErr != nil && c.err == c.orErr { //nolint:errorlint // the very error
		return nil
	}
	if !slices.Equal(c.ids, c.wantIDs) {
		return fmt.Errorf("IDs %d, want %d", c.ids, c.wantIDs)
	}
	if err := c.checkUnsaved(jobs); err != nil {
		return err
	}
	for _, is := range c.wantErr {
		if !errors.Is(c.err, is) {
			return fmt.Errorf("%v returned %v, want an error that is %w", c.kind, c.err, is)
		}
	}
	if len(c.wantErr) == 0 && c.err != nil && len(c.wantUnsaved) == 0 {
		return fmt.Errorf("%v returned %w, want nil", c.kind, c.err)
	}
	if c.kind != resize && !slices.Contains(c.wantErr, errCause) && errors.Is(c.err, errCause) {
		return fmt.Errorf("%v returned %w, and there was no cancel", c.kind, c.err)
	}
	return nil
}

func (c *call) checkUnsaved(jobs map[store.ID]*job) error {
	var unsaved *pool.UnsavedError[int]
	var got []store.ID
	if errors.As(c.err, &unsaved) {
		for _, res := range unsaved.Results {
			got = append(got, res.ID)
			if j := jobs[res.ID]; j != nil {
				if err := j.check(res.Value, res.Err); err != nil {
					return fmt.Errorf("handed back: %w", err)
				}
			}
		}
	}
	slices.Sort(got)
	slices.Sort(c.wantUnsaved)
	if !slices.Equal(got, c.wantUnsaved) {
		return fmt.Errorf("handed back are the results %d, want %d", got, c.wantUnsaved)
	}
	return nil
}

// moody is the store: it works or not, as it is told.
type moody struct {
	oracle.Store
	mode atomic.Int32
}

// Put stores res, or does what its mode says instead.
func (s *moody) Put(ctx context.Context, res oracle.Result) error {
	switch instead := errors.Is(res.Err, store.ErrRejected); mode(s.mode.Load()) {
	case fails:
		return errDown
	case rejects:
		if !instead {
			return store.ErrRejected
		}
	case refuses:
		return store.ErrRejected
	}
	return s.Store.Put(ctx, res)
}
