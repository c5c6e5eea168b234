//go:build unix

package outage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// submit is the submitter: it joins without a function, and submits what it is told to.
// Whatever becomes of the servers, it gets an ID for every task, in the end. At SIGTERM it
// submits no more.
func (p part) submit(ctx context.Context) {
	pl, drv, err := p.join(ctx, nil)
	if ctx.Err() != nil && err != nil {
		say("done") // it was asked to stop before it could begin
		return
	}
	if err != nil {
		fail(err)
	}
	say("ready")
	ids := make(chan store.ID, 16)
	reading, stop := context.WithCancel(context.Background())
	var reader sync.WaitGroup
	reader.Go(func() { read(reading, pl, ids) })
	batch := max(1, p.Batch)
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range max(1, p.Callers) {
		wg.Go(func() {
			for ctx.Err() == nil {
				end := next.Add(uint64(batch))
				first := end - uint64(batch)
				if first >= p.Count {
					return
				}
				p.submitSome(pl, p.First+first, p.First+min(end, p.Count), ids)
				time.Sleep(p.Pause) // the tempo of this submitter; nobody waits for it
			}
		})
	}
	wg.Wait()
	say("done")
	stop()
	close(ids)
	reader.Wait()
	if err := pl.Stop(context.Background()); err != nil {
		fail(err)
	}
	if err := drv.Close(); err != nil {
		fail(err)
	}
}

// submitSome submits the tasks from first to before end.
func (p part) submitSome(pl *pool.Pool[job, proof], first, end uint64, read chan<- store.ID) {
	var in []job
	var text strings.Builder
	for n := first; n < end; n++ {
		j := job{N: n, Cost: p.Cost, Poison: n == p.PoisonAt && n > 0, Gated: n == p.GateAt && n > 0}
		verb := "try"
		if j.Poison {
			verb = "poison"
		}
		fmt.Fprintf(&text, "%s %d\n", verb, n)
		in = append(in, j)
	}
	tell(&text)
	var ids []store.ID
	var err error
	if len(in) == 1 {
		ids = make([]store.ID, 1)
		ids[0], err = pl.Submit(context.Background(), in[0])
	} else {
		ids, err = pl.SubmitAll(context.Background(), in)
	}
	if err != nil {
		fail(err)
	}
	for i, id := range ids {
		fmt.Fprintf(&text, "sure %d %d\n", in[i].N, id)
	}
	tell(&text)
	select {
	case read <- ids[0]:
	default: // there are enough
	}
}

// read waits for the results of some tasks, and says which run of the task they are from.
func read(ctx context.Context, pl *pool.Pool[job, proof], ids <-chan store.ID) {
	for id := range ids {
		value, err := pl.Get(ctx, id)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, pool.ErrPoisoned):
		case err != nil && !errors.Is(err, errSeventh):
			fail(fmt.Errorf("reading result %d: %w", id, err))
		default:
			say("got %d %s", value.N, value.By)
		}
	}
}

// tell says several lines at once.
func tell(text *strings.Builder) {
	if _, err := os.Stdout.WriteString(text.String()); err != nil {
		os.Exit(1)
	}
	text.Reset()
}
