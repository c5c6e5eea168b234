package behave

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// A task fails twice, and pauses: does another one run meanwhile on the only worker.
var retries = row{
	name:  "retry",
	title: "1 worker: another task runs before a retry",
	river: 30 * time.Second, // River looks for retries every five seconds
	cells: map[string]program{
		ours:      retryOurs,
		conc:      nil, // of retries
		pond:      nil, // of retries
		ants:      nil, // of retries
		gammazero: nil, // of retries
		errGroup:  nil, // of retries
		riverPool: retryRiver,
		channel:   nil,
	},
}

const pause = 200 * time.Millisecond

var errAgain = errors.New("not yet")

// tries is in which order tasks start. The first one fails twice.
type tries struct {
	mu     sync.Mutex
	starts []int
}

func (t *tries) task(in, attempt int) error {
	t.mu.Lock()
	t.starts = append(t.starts, in)
	t.mu.Unlock()
	if in == 0 && attempt < 3 {
		return errAgain
	}
	return nil
}

func (t *tries) said() string {
	if slices.Equal(t.starts, []int{0, 1, 0, 0}) {
		return "yes"
	}
	return "no"
}

func retryOurs(ctx context.Context) string {
	var t tries
	p := must(pool.New(ctx, func(ctx context.Context, in int) (int, error) {
		task, _ := pool.TaskFromContext(ctx)
		if err := t.task(in, task.Attempt); err != nil {
			return 0, pool.RetryAfter(pause, err)
		}
		return 0, nil
	}, dense.New[int](), &pool.Options{Workers: 1}))
	for _, id := range must(p.SubmitAll(ctx, inputs(2))) {
		must(p.Get(ctx, id))
	}
	check(p.Stop(ctx))
	return t.said()
}

// soonAgain is a policy of River, whose own one pauses for a second and more.
type soonAgain struct{}

// NextRetry implements river.ClientRetryPolicy.
func (soonAgain) NextRetry(*rivertype.JobRow) time.Time { return time.Now().Add(pause) }

func retryRiver(ctx context.Context) string {
	var t tries
	client := openRiver(ctx, 1, func(_ context.Context, job *river.Job[args]) error { return t.task(job.Args.In, job.Attempt) },
		&river.Config{RetryPolicy: soonAgain{}})
	for _, id := range insertAll(ctx, client, 2, nil) {
		awaitJob(ctx, client, id)
	}
	check(client.Stop(ctx))
	return t.said()
}
