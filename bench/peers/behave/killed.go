package behave

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A process has accepted ten tasks and is killed while they run. Another start of it has how many results.
//
// All but ours and River have their tasks in memory. So has a pool of New, also over a store on disk: one that is
// to survive has joined an engine, as docs/many-machines.md says. The dead process's hold on what it ran is short in
// both, for tasks that take less than a second.
var killed = row{
	name:  "killed",
	title: "results of 10 tasks after a kill -9",
	limit: time.Minute, // River's next leader is elected when the term of the dead one is over
	cells: map[string]program{
		ours:      killedOurs,
		conc:      nil, // of a queue on disk
		pond:      nil, // of a queue on disk
		ants:      nil, // of a queue on disk
		gammazero: nil, // of a queue on disk
		errGroup:  nil, // of a queue on disk
		riverPool: killedRiver,
		channel:   nil,
	},
}

const slow = 200 * time.Millisecond

// midway has a process accept ten tasks, kills it when it has done some, and returns the IDs.
func midway(ctx context.Context, part string) (ids []uint64) {
	first := begin(ctx, part)
	for range 10 {
		ids = append(ids, must(strconv.ParseUint(first.line(), 10, 64)))
	}
	time.Sleep(3 * slow)
	first.kill()
	return ids
}

// slowly is the task of ours.
func slowly(_ context.Context, in int) (int, error) {
	time.Sleep(slow)
	return 10 * in, nil
}

// openOurs opens a folder for the first process and for the second, as two starts of one program do. Without
// the option the second waits for half a minute for what the first had taken over.
func openOurs(ctx context.Context) (*embedded.Engine, *pool.Pool[int, int]) {
	eng := must(embedded.Open(ctx, "tasks", "tasks", &embedded.Options{Lease: 10 * slow}))
	return eng, must(pool.Join(ctx, slowly, eng, &pool.Options{Workers: 2}))
}

func acceptOurs(ctx context.Context) {
	_, p := openOurs(ctx)
	for _, id := range must(p.SubmitAll(ctx, inputs(10))) {
		fmt.Println(id)
	}
	untilLeft()
}

func killedOurs(ctx context.Context) string {
	ids := midway(ctx, "killed/resultpool")
	eng, p := openOurs(ctx)
	n := 0
	for in, id := range ids {
		if v, err := p.Get(ctx, store.ID(id)); err == nil && v == 10*in {
			n++
		}
	}
	check(p.Stop(ctx))
	check(eng.Close())
	return fmt.Sprintf("%d of 10", n)
}

// killedWith is a client whose options say how long a job may run: without them one that was running when its
// process died stays so for an hour.
func killedWith(ctx context.Context) *riverClient {
	return openRiver(ctx, 2, func(ctx context.Context, job *river.Job[args]) error {
		time.Sleep(slow)
		return river.RecordOutput(ctx, 10*job.Args.In)
	}, &river.Config{JobTimeout: 5 * slow, RescueStuckJobsAfter: 10 * slow})
}

func acceptRiver(ctx context.Context) {
	client := killedWith(ctx)
	for in := range 10 {
		fmt.Println(insert(ctx, client, in, nil))
	}
	untilLeft()
}

func killedRiver(ctx context.Context) string {
	ids := midway(ctx, "killed/River")
	client := killedWith(ctx)
	n := 0
	for in, id := range ids {
		if output(awaitJob(ctx, client, int64(id))) == 10*in {
			n++
		}
	}
	check(client.Stop(ctx))
	return fmt.Sprintf("%d of 10", n)
}
