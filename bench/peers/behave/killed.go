package behave

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A process has accepted ten tasks and is killed when it has done four of them. Another start of it has how many
// results.
//
// All but ours and River have their tasks in memory. So has a pool of New, also over a store on disk: one that is
// to survive has joined an engine, as docs/many-machines.md says. The dead process's hold on what it ran is two
// seconds in both.
var killed = row{
	name:  "killed",
	title: "results of 10 tasks after a kill -9",
	river: 90 * time.Second, // River's next leader is elected when the term of the dead one is over
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

const oneRan = "ran"

// midway has a process accept ten tasks, kills it when it has run four, and returns the IDs.
func midway(ctx context.Context, part string) (ids []uint64) {
	first := begin(ctx, part)
	for ran := 0; len(ids) < 10 || ran < 4; {
		if line := first.line(); line == oneRan {
			ran++
		} else {
			ids = append(ids, must(strconv.ParseUint(line, 10, 64)))
		}
	}
	first.kill()
	return ids
}

var starts atomic.Int32

// fourRun is the task in the process that is killed: after the fourth, none ends.
func fourRun(in int) int {
	if starts.Add(1) > 4 {
		select {}
	}
	fmt.Println(oneRan)
	return tenfold(in)
}

func tenfold(in int) int { return 10 * in }

// openOurs opens a folder for the first process and for the second, as two starts of one program do. Without
// the option the second waits for half a minute for what the first had taken over.
func openOurs(ctx context.Context, do func(int) int) (*embedded.Engine, *pool.Pool[int, int]) {
	eng := must(embedded.Open(ctx, "tasks", "tasks", &embedded.Options{Lease: 2 * time.Second}))
	return eng, must(pool.Join(ctx, taskOf(do), eng, &pool.Options{Workers: 2}))
}

// taskOf is do as a task of ours.
func taskOf(do func(int) int) func(context.Context, int) (int, error) {
	return func(_ context.Context, in int) (int, error) { return do(in), nil }
}

func acceptOurs(ctx context.Context) {
	_, p := openOurs(ctx, fourRun)
	for _, id := range must(p.SubmitAll(ctx, inputs(10))) {
		fmt.Println(id)
	}
}

func killedOurs(ctx context.Context) string {
	ids := midway(ctx, "killed/resultpool")
	eng, p := openOurs(ctx, tenfold)
	n := 0
	for in, id := range ids {
		if v, err := p.Get(ctx, store.ID(id)); err == nil && v == 10*in {
			n++
		}
	}
	check(p.Stop(ctx))
	check(eng.Close())
	return fmt.Sprintf("%d of 10, engine/jetstream", n)
}

func acceptRiver(ctx context.Context) {
	client := outputs(ctx, 2, fourRun, rescued())
	for in := range 10 {
		fmt.Println(insert(ctx, client, in, nil))
	}
}

func killedRiver(ctx context.Context) string {
	ids := midway(ctx, "killed/River")
	client := outputs(ctx, 2, tenfold, rescued())
	n := 0
	for in, id := range ids {
		if output(awaitJob(ctx, client, int64(id))) == 10*in {
			n++
		}
	}
	check(client.Stop(ctx))
	return fmt.Sprintf("%d of 10", n)
}
