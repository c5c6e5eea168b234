package machine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

var (
	errCause = errors.New("the pool is cancelled")
	errGone  = errors.New("the caller has gone")
	errDown  = errors.New("the store is down")
)

// A Pool is what the machine drives. *pool.Pool[*Job, int] is one.
type Pool interface {
	Submit(ctx context.Context, in *Job) (store.ID, error)
	TrySubmit(in *Job) (store.ID, error)
	SubmitAll(ctx context.Context, in []*Job) ([]store.ID, error)
	Get(ctx context.Context, id store.ID) (int, error)
	Wait(ctx context.Context) error
	Stop(ctx context.Context) error
	Done() <-chan struct{}
	Resize(workers int) error
	Stats() pool.Stats
}

// A Maker makes the pool of a run.
type Maker func(ctx context.Context, fn func(context.Context, *Job) (int, error), st store.ResultStore[int], opts *pool.Options) (Pool, error)

// Real makes the pool that all of this is for.
func Real(ctx context.Context, fn func(context.Context, *Job) (int, error), st store.ResultStore[int], opts *pool.Options) (Pool, error) {
	p, err := pool.New(ctx, fn, st, opts)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// A Job is a task. Once it has started, it does what it is told through its gate.
type Job struct {
	number  int
	err     error // its own
	gate    chan func(ctx context.Context) (over bool, v int, err error)
	started atomic.Int32
	ctx     atomic.Pointer[context.Context] // that it was given

	// The rest is the model's.
	id       store.ID
	stage    stage
	how      how
	notRun   reason
	rejected bool // its result was, and something else is stored
}

type job = Job

func run(ctx context.Context, j *Job) (int, error) {
	j.ctx.Store(&ctx)
	j.started.Add(1)
	for order := range j.gate {
		if over, v, err := order(ctx); over {
			return v, err
		}
	}
	return 0, nil
}

// order has a job end in that way.
func (j *Job) order(end how) func(context.Context) (bool, int, error) {
	return func(context.Context) (bool, int, error) {
		switch end {
		case failure:
			return true, j.number, j.err
		case throw:
			panic(j.err)
		case goexit:
			runtime.Goexit()
		}
		return true, j.number, nil
	}
}

// check returns an error unless v and err are the result that the model has for j.
func (j *Job) check(v int, err error) error {
	ok := false
	var p *pool.PanicError
	switch {
	case j.rejected:
		ok = v == 0 && errors.Is(err, store.ErrRejected)
	case j.notRun == byCancel:
		ok = v == 0 && errors.Is(err, pool.ErrNotRun) && errors.Is(err, errCause)
	case j.notRun == byZero:
		ok = v == 0 && errors.Is(err, pool.ErrNotRun) && errors.Is(err, pool.ErrNoWorkers)
	case j.how == value:
		ok = v == j.number && err == nil
	case j.how == failure:
		ok = v == j.number && err == j.err //nolint:errorlint // the very error
	case j.how == throw:
		ok = v == 0 && errors.As(err, &p) && p.Value == j.err && len(p.Stack) > 0 //nolint:errorlint // the very error
	case j.how == goexit:
		ok = v == 0 && err == pool.ErrGoexit //nolint:errorlint // the very error
	}
	if !ok {
		return fmt.Errorf("the result of %v is %d, %w", j, v, orNil(err))
	}
	return nil
}

func (j *Job) String() string {
	return fmt.Sprintf("task %d (id %d, stage %d, %v, not run %d)", j.number, j.id, j.stage, j.how, j.notRun)
}

var errNil = errors.New("nil")

func orNil(err error) error {
	if err == nil {
		return errNil
	}
	return err
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

type kind int

const (
	submit kind = iota
	get
	wait
	stop
)

func (k kind) String() string { return [...]string{"Submit", "Get", "Wait", "Stop"}[k] }

// returns says that the call has returned by now, and with what.
func (c *call) returns(err ...error) {
	c.returned, c.wantErr = true, err
}

// check compares what has come out with what has to. jobs are those accepted.
func (c *call) check(jobs map[store.ID]*job) error {
	select {
	case <-c.done:
	default:
		if c.returned {
			return fmt.Errorf("%v blocks, want %w", c.kind, orNil(errors.Join(c.wantErr...)))
		}
		return nil
	}
	if !c.returned {
		return fmt.Errorf("%v returned %d, %w, and should block", c.kind, c.ids, orNil(c.err))
	}
	c.checked = true
	if c.wantResult {
		return c.job.check(c.value, c.err)
	}
	if c.orErr != nil && c.err == c.orErr { //nolint:errorlint // the very error
		return nil
	}
	if c.kind == submit && !slices.Equal(c.ids, c.wantIDs) {
		return fmt.Errorf("IDs %d, want %d", c.ids, c.wantIDs)
	}
	if err := c.checkUnsaved(jobs); err != nil {
		return err
	}
	for _, is := range c.wantErr {
		if !errors.Is(c.err, is) {
			return fmt.Errorf("%v returned %w, want an error that is %w", c.kind, orNil(c.err), is)
		}
	}
	if len(c.wantErr) == 0 && c.err != nil && len(c.wantUnsaved) == 0 {
		return fmt.Errorf("%v returned %w, want nil", c.kind, c.err)
	}
	if !slices.Contains(c.wantErr, errCause) && errors.Is(c.err, errCause) {
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
	store.ResultStore[int]
	mode atomic.Int32
}

// Put stores res, or does what its mode says instead.
func (s *moody) Put(ctx context.Context, res store.Result[int]) error {
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
	return s.ResultStore.Put(ctx, res)
}
