package behave

import (
	"context"
	"errors"
	"fmt"

	pondpool "github.com/alitto/pond/v2"
	"github.com/riverqueue/river"
	"github.com/sourcegraph/conc/stream"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// Every third of a hundred tasks fails, and each has a value: for how many can both be had, and told whose they are.
var kept = row{
	name:  "kept",
	title: "values and errors kept, of 100 tasks",
	cells: map[string]program{
		ours:      keptOurs,
		conc:      keptConc,
		pond:      keptPond,
		ants:      nil, // of a function that returns something
		gammazero: nil, // of a function that returns something
		errGroup:  keptErrgroup,
		riverPool: keptRiver,
		channel:   keptChannel,
	},
}

var errThird = errors.New("every third task fails")

// both is a task that has a value, and every third time an error as well.
func both(in int) (int, error) {
	if in%3 == 0 {
		return in, errThird
	}
	return in, nil
}

// isKept reports whether a task's value and error are those that it has returned.
func isKept(in, v int, err error) bool {
	return v == in && errors.Is(err, errThird) == (in%3 == 0)
}

func count(n int) string { return fmt.Sprintf("%d of 100", n) }

func keptOurs(ctx context.Context) string {
	p := must(pool.New(ctx, func(_ context.Context, in int) (int, error) { return both(in) }, dense.New[int](), nil))
	ids := must(p.SubmitAll(ctx, inputs(100)))
	check(p.Stop(ctx))
	n := 0
	for in, id := range ids {
		if v, err := p.Get(ctx, id); isKept(in, v, err) {
			n++
		}
	}
	return count(n)
}

// keptConc is a stream, whose callbacks run one by one.
func keptConc(context.Context) string {
	n := 0
	s := stream.New().WithMaxGoroutines(4)
	for in := range 100 {
		s.Go(func() stream.Callback {
			v, err := both(in)
			return func() {
				if isKept(in, v, err) {
					n++
				}
			}
		})
	}
	s.Wait()
	return count(n)
}

// keptPond has a future for each task: a group ends at the first error.
func keptPond(context.Context) string {
	p := pondpool.NewResultPool[int](4)
	var futures []pondpool.ResultTask[int]
	for in := range 100 {
		futures = append(futures, p.SubmitErr(func() (int, error) { return both(in) }))
	}
	p.StopAndWait()
	n := 0
	for in, f := range futures {
		if v, err := f.Wait(); isKept(in, v, err) {
			n++
		}
	}
	return count(n)
}

func keptErrgroup(context.Context) string {
	var g errgroup.Group
	g.SetLimit(4)
	for in := range 100 {
		g.Go(func() error {
			_, err := both(in)
			return err
		})
	}
	if errors.Is(g.Wait(), errThird) {
		return "the first error"
	}
	return "nothing"
}

func keptRiver(ctx context.Context) string {
	client := openRiver(ctx, 4, func(ctx context.Context, job *river.Job[args]) error {
		v, err := both(job.Args.In)
		return errors.Join(river.RecordOutput(ctx, v), err)
	}, nil)
	ids := insertAll(ctx, client, 100, &river.InsertOpts{MaxAttempts: 1})
	n := 0
	for in, id := range ids {
		job := awaitJob(ctx, client, id)
		var err error
		if len(job.Errors) == 1 && job.Errors[0].Error == errThird.Error() {
			err = errThird
		}
		if isKept(in, output(job), err) {
			n++
		}
	}
	check(client.Stop(ctx))
	return count(n)
}

func keptChannel(context.Context) string {
	type result struct {
		in, value int
		err       error
	}
	jobs, results := make(chan int), make(chan result)
	crew := workers(4, jobs, func(in int) {
		v, err := both(in)
		results <- result{in, v, err}
	})
	go func() {
		for in := range 100 {
			jobs <- in
		}
		close(jobs)
		crew.Wait()
		close(results)
	}()
	n := 0
	for r := range results {
		if isKept(r.in, r.value, r.err) {
			n++
		}
	}
	return count(n)
}
