//go:build unix

package outage

import (
	"context"
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
				p.submitSome(pl, p.First+first, p.First+min(end, p.Count))
				time.Sleep(p.Pause) // the tempo of this submitter; nobody waits for it
			}
		})
	}
	wg.Wait()
	say("done")
	if err := pl.Stop(context.Background()); err != nil {
		fail(err)
	}
	if err := drv.Close(); err != nil {
		fail(err)
	}
}

// submitSome submits the tasks from first to before end.
func (p part) submitSome(pl *pool.Pool[job, proof], first, end uint64) {
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
}

// tell says several lines at once.
func tell(text *strings.Builder) {
	if _, err := os.Stdout.WriteString(text.String()); err != nil {
		os.Exit(1)
	}
	text.Reset()
}
