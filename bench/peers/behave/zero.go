package behave

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	pondpool "github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	antspool "github.com/panjf2000/ants/v2"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/dense"
)

// The number of workers is 0, as one that was not configured.
var zeroWorkers = row{
	name:  "zero-workers",
	title: "0 workers",
	cells: map[string]program{
		ours:      zeroOurs,
		conc:      zeroConc,
		pond:      zeroPond,
		ants:      zeroAnts,
		gammazero: zeroWorkerpool,
		errGroup:  zeroErrgroup,
		riverPool: zeroRiver,
		channel:   zeroChannel,
	},
}

// atTheSameTime tells how many of a hundred tasks run at once. submit does not wait for its task.
func atTheSameTime(submit func(task func())) string {
	var mu sync.Mutex
	running, most := 0, 0
	enough := make(chan struct{}) // closed when all have begun, or those that can
	isEnough := sync.OnceFunc(func() { close(enough) })
	var all sync.WaitGroup
	all.Add(100)
	mayHang()
	for range 100 {
		submit(func() {
			defer all.Done()
			mu.Lock()
			if running++; running == 1 {
				time.AfterFunc(2*time.Second, isEnough)
			}
			if most = max(most, running); most == 100 {
				isEnough()
			}
			mu.Unlock()
			<-enough
			mu.Lock()
			running--
			mu.Unlock()
		})
	}
	all.Wait()
	switch most {
	case runtime.GOMAXPROCS(0):
		return "GOMAXPROCS workers"
	case 1:
		return "1 worker"
	case 100:
		return "no limit"
	}
	return fmt.Sprintf("%d workers", most)
}

func zeroOurs(ctx context.Context) string {
	p := must(pool.New(ctx, pool.Call[int], dense.New[int](), &pool.Options{Workers: 0}))
	said := atTheSameTime(func(task func()) {
		must(p.Submit(ctx, func(context.Context) (int, error) { task(); return 0, nil }))
	})
	check(p.Stop(ctx))
	return said
}

func zeroConc(context.Context) string {
	if caught(func() { concpool.New().WithMaxGoroutines(0) }) != nil {
		return "WithMaxGoroutines panics"
	}
	return "no panic"
}

func zeroPond(context.Context) string {
	p := pondpool.NewPool(0)
	said := atTheSameTime(func(task func()) { p.Submit(task) })
	p.StopAndWait()
	return said
}

func zeroAnts(context.Context) string {
	p := must(antspool.NewPool(0))
	said := atTheSameTime(func(task func()) { check(p.Submit(task)) })
	check(p.ReleaseTimeout(patience))
	return said
}

func zeroWorkerpool(context.Context) string {
	p := workerpool.New(0)
	said := atTheSameTime(p.Submit)
	p.StopWait()
	return said
}

func zeroErrgroup(context.Context) string {
	var g errgroup.Group
	g.SetLimit(0)
	said := atTheSameTime(func(task func()) { g.Go(func() error { task(); return nil }) })
	check(g.Wait())
	return said
}

func zeroRiver(ctx context.Context) string {
	_, err := river.NewClient(riversqlite.New(openSQLite(ctx)), &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 0}},
		Workers: river.NewWorkers(),
	})
	if err != nil {
		return "an error of NewClient"
	}
	return "no error"
}

func zeroChannel(context.Context) string {
	jobs := make(chan func())
	crew := workers(0, jobs, func(job func()) { job() })
	said := atTheSameTime(func(task func()) { jobs <- task })
	close(jobs)
	crew.Wait()
	return said
}
