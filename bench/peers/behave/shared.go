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
	river: 30 * time.Second,
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

// split says whether each process has run some of the twenty tasks.
func split(byProcess map[int]int, both string) string {
	if len(byProcess) == 2 && byProcess[os.Getpid()] > 0 {
		return both
	}
	return fmt.Sprintf("%d by one", byProcess[os.Getpid()])
}

func whoRuns(int) int {
	time.Sleep(200 * time.Millisecond)
	return os.Getpid()
}

func joinOurs(ctx context.Context) {
	eng := must(jetstream.OpenFolder(ctx, "tasks", "tasks", nil))
	must(pool.Join(ctx, taskOf(whoRuns), eng, &pool.Options{Workers: 2}))
	fmt.Println("ready")
}

func sharedOurs(ctx context.Context) string {
	eng := must(embedded.Open(ctx, "tasks", "tasks", nil))
	p := must(pool.Join(ctx, taskOf(whoRuns), eng, &pool.Options{Workers: 2}))
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
	return split(by, "both, engine/jetstream")
}

// looksOften is that of a client that takes its share soon: on SQLite, it is told only of its own jobs.
func looksOften() *river.Config { return &river.Config{FetchPollInterval: 100 * time.Millisecond} }

func joinRiver(ctx context.Context) {
	outputs(ctx, 2, whoRuns, looksOften())
	fmt.Println("ready")
}

func sharedRiver(ctx context.Context) string {
	client := outputs(ctx, 2, whoRuns, looksOften())
	other := begin(ctx, "shared/River")
	other.line()
	ids := insertAll(ctx, client, 20, nil)
	by := make(map[int]int)
	for _, id := range ids {
		by[output(awaitJob(ctx, client, id))]++
	}
	other.kill()
	check(client.Stop(ctx))
	return split(by, "both")
}
