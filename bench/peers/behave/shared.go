package behave

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/riverqueue/river"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
)

// Two processes have a queue together, and one submits twenty tasks.
var shared = row{
	name:  "shared",
	title: "one queue, two processes: who runs the tasks",
	limit: 30 * time.Second,
	cells: map[string]program{
		ours:      sharedOurs,
		conc:      nil, // of a queue that processes share
		pond:      nil, // of a queue that processes share
		ants:      nil, // of a queue that processes share
		gammazero: nil, // of a queue that processes share
		errGroup:  nil, // of a queue that processes share
		riverPool: sharedRiver,
		channel:   nil,
	},
}

// split says how many of twenty tasks each process has run.
func split(byProcess map[int]int) string {
	mine := byProcess[os.Getpid()]
	if len(byProcess) == 2 && mine >= 5 && mine <= 15 {
		return "both"
	}
	return fmt.Sprintf("%d by one", mine)
}

// whoRuns is the task of ours.
func whoRuns(context.Context, int) (int, error) {
	time.Sleep(slow)
	return os.Getpid(), nil
}

func joinOurs(ctx context.Context) {
	eng := must(jetstream.OpenFolder(ctx, "tasks", "tasks", nil))
	must(pool.Join(ctx, whoRuns, eng, &pool.Options{Workers: 2}))
	fmt.Println("ready")
	untilLeft()
}

func sharedOurs(ctx context.Context) string {
	eng := must(embedded.Open(ctx, "tasks", "tasks", nil))
	p := must(pool.Join(ctx, whoRuns, eng, &pool.Options{Workers: 2}))
	other := begin(ctx, "shared/resultpool")
	other.line()
	by := make(map[int]int)
	for res, err := range p.GetAll(ctx, must(p.SubmitAll(ctx, inputs(20)))) {
		check(err)
		by[res.Value]++
	}
	other.kill()
	check(p.Stop(ctx))
	check(eng.Close())
	return split(by)
}

func sharedWith(ctx context.Context) *riverClient {
	return openRiver(ctx, 2, func(ctx context.Context, _ *river.Job[args]) error {
		time.Sleep(slow)
		return river.RecordOutput(ctx, os.Getpid())
	}, nil)
}

func joinRiver(ctx context.Context) {
	sharedWith(ctx)
	fmt.Println("ready")
	untilLeft()
}

func sharedRiver(ctx context.Context) string {
	client := sharedWith(ctx)
	other := begin(ctx, "shared/River")
	other.line()
	var ids []int64
	for in := range 20 {
		ids = append(ids, insert(ctx, client, in, nil))
	}
	by := make(map[int]int)
	for _, id := range ids {
		by[output(awaitJob(ctx, client, id))]++
	}
	other.kill()
	check(client.Stop(ctx))
	return split(by)
}
