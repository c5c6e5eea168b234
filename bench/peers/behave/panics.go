package behave

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	pondpool "github.com/alitto/pond/v2"
	antspool "github.com/panjf2000/ants/v2"
	"github.com/riverqueue/river/rivertype"
	concpool "github.com/sourcegraph/conc/pool"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// What is told of the task that panicked, and do the others run.
var panics = row{
	name:  "panic",
	title: "one of 10 tasks panics",
	cells: map[string]program{
		ours:      panicOurs,
		conc:      panicConc,
		pond:      panicPond,
		ants:      panicAnts,
		gammazero: panicIn(openWorkerpool),
		errGroup:  panicIn(openErrgroup),
		riverPool: panicRiver,
		channel:   panicIn(openChannel),
	},
}

// boom panics if its task is the third of ten.
func boom(in int) int {
	if in == 2 {
		panic("boom")
	}
	return in
}

func panicOurs(ctx context.Context) string {
	p := must(pool.New(ctx, func(_ context.Context, in int) (int, error) { return boom(in), nil },
		dense.New[int](), &pool.Options{Workers: 2}))
	ids := must(p.SubmitAll(ctx, inputs(10)))
	check(p.Stop(ctx))
	fine, told := 0, false
	for in, id := range ids {
		v, err := p.Get(ctx, id)
		var panicked *pool.PanicError
		if errors.As(err, &panicked) {
			told = panicked.Value == "boom"
		} else if err == nil && v == in {
			fine++
		}
	}
	return told9(told, fine)
}

// told9 says what became of the task that panicked, and of the others.
func told9(told bool, fine int) string {
	what := "no error"
	if told {
		what = "an error"
	}
	if fine == 9 {
		return what + ", others go on"
	}
	return fmt.Sprintf("%s, %d others go on", what, fine)
}

func panicConc(context.Context) string {
	p := concpool.New().WithMaxGoroutines(2)
	var fine atomic.Int32
	for in := range 10 {
		p.Go(func() {
			boom(in)
			fine.Add(1)
		})
	}
	if caught(p.Wait) != nil && fine.Load() == 9 {
		return "Wait panics, others go on"
	}
	return told9(false, int(fine.Load()))
}

func panicPond(context.Context) string {
	p := pondpool.NewResultPool[int](2)
	var futures []pondpool.ResultTask[int]
	for in := range 10 {
		futures = append(futures, p.Submit(func() int { return boom(in) }))
	}
	fine, told := 0, false
	for in, f := range futures {
		v, err := f.Wait()
		told = told || errors.Is(err, pondpool.ErrPanic)
		if err == nil && v == in {
			fine++
		}
	}
	p.StopAndWait()
	return told9(told, fine)
}

func panicAnts(context.Context) string {
	var told atomic.Value
	p := must(antspool.NewPool(2, antspool.WithPanicHandler(func(v any) { told.Store(v) })))
	var fine atomic.Int32
	var all sync.WaitGroup
	for in := range 10 {
		all.Add(1)
		check(p.Submit(func() {
			defer all.Done()
			boom(in)
			fine.Add(1)
		}))
	}
	all.Wait()
	check(p.ReleaseTimeout(patience))
	if told.Load() == "boom" && fine.Load() == 9 {
		return "a handler, others go on"
	}
	return told9(told.Load() != nil, int(fine.Load()))
}

func panicIn(open opener) program {
	return func(context.Context) string {
		r := open(2)
		for in := range 10 {
			r.submit(func() { boom(in) })
		}
		check(r.wait())
		return "no error, others go on"
	}
}

func panicRiver(ctx context.Context) string {
	client := outputs(ctx, 2, boom, nil)
	ids := insertAll(ctx, client, 10, nil)
	fine := 0
	for in, id := range ids {
		if in != 2 && output(awaitJob(ctx, client, id)) == in {
			fine++
		}
	}
	job := must(client.JobGet(ctx, ids[2]))
	check(client.Stop(ctx))
	told := len(job.Errors) > 0 && job.Errors[0].Trace != ""
	if told && fine == 9 && job.State != rivertype.JobStateDiscarded {
		return "tried again, others go on"
	}
	return told9(told, fine)
}
