package behave

import (
	pondpool "github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	antspool "github.com/panjf2000/ants/v2"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

// A runner is a pool of closures, for the rows that need no more of it. wait ends it when all have ended, and
// returns what the pool tells of them.
type runner struct {
	submit func(func())
	wait   func() error
}

type opener func(workers int) runner

func openConc(workers int) runner {
	p := concpool.New().WithMaxGoroutines(workers).WithErrors()
	return runner{func(task func()) { p.Go(func() error { task(); return nil }) }, p.Wait}
}

func openPond(workers int) runner { return ofPond(pondpool.NewPool(workers)) }

func ofPond(p pondpool.Pool) runner {
	return runner{func(task func()) { p.Submit(task) }, untold(p.StopAndWait)}
}

func openAnts(workers int) runner {
	p := must(antspool.NewPool(workers))
	return runner{func(task func()) { check(p.Submit(task)) }, func() error { return p.ReleaseTimeout(patience) }}
}

func openWorkerpool(workers int) runner {
	p := workerpool.New(workers)
	return runner{p.Submit, untold(p.StopWait)}
}

func openErrgroup(workers int) runner {
	var g errgroup.Group
	g.SetLimit(workers)
	return runner{func(task func()) { g.Go(func() error { task(); return nil }) }, g.Wait}
}

func openChannel(n int) runner {
	jobs := make(chan func())
	crew := workers(n, jobs, func(job func()) { job() })
	return runner{func(task func()) { jobs <- task }, untold(func() { close(jobs); crew.Wait() })}
}

func untold(wait func()) func() error {
	return func() error { wait(); return nil }
}
