package behave

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	concpool "github.com/sourcegraph/conc/pool"

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
		pond:      zeroIn(openPond),
		ants:      zeroIn(openAnts),
		gammazero: zeroIn(openWorkerpool),
		errGroup:  zeroIn(openErrgroup),
		riverPool: zeroRiver,
		channel:   zeroIn(openChannel),
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

func zeroIn(open opener) program {
	return func(context.Context) string {
		r := open(0)
		said := atTheSameTime(r.submit)
		check(r.wait())
		return said
	}
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
