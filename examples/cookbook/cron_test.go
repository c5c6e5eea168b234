package cookbook_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// onSchedule returns a cron job that has p run a task, waits for it, and deletes the result.
func onSchedule[T, R any](ctx context.Context, p *pool.Pool[T, R], st store.ResultStore[R], in T, failed func(error)) func() {
	return func() {
		id, err := p.Submit(ctx, in)
		if err == nil {
			_, err = p.Get(ctx, id)
			err = errors.Join(err, st.Delete(ctx, id))
		}
		if err != nil {
			failed(err)
		}
	}
}

// A backup every night at three, on a pool that does other things as well.
func Example_cron() {
	ctx := context.Background()
	backups := 0
	work := func(_ context.Context, what string) (string, error) {
		if backups++; backups == 2 {
			return "", errors.New("disk full")
		}
		return what + " is saved", nil
	}
	st := dense.New[string]()
	p := must(pool.New(ctx, work, st, &pool.Options{Workers: 1}))

	log := func(err error) { fmt.Println("backup:", err) }
	c := cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
	nightly := must(c.AddFunc("0 3 * * *", onSchedule[string, string](ctx, p, st, "database", log)))
	c.Start()

	night := time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)
	fmt.Println("next:", c.Entry(nightly).Schedule.Next(night))
	for range 3 {
		c.Entry(nightly).WrappedJob.Run() // as it is done at three
	}
	<-c.Stop().Done() // no more of them, and those that run have ended
	report(p.Stop(ctx))
	fmt.Println(backups, "backups,", len(must(p.Results(ctx))), "results are left")
	// Output:
	// next: 2026-12-25 03:00:00 +0000 UTC
	// backup: disk full
	// 3 backups, 0 results are left
}
