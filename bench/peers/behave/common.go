package behave

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // the driver of River's database
)

// inputs are 0, 1, 2, …
func inputs(n int) []int {
	in := make([]int, n)
	for i := range in {
		in[i] = i
	}
	return in
}

// workers is the pool that one writes by hand: n goroutines that call do for each job.
func workers[J any](n int, jobs <-chan J, do func(J)) *sync.WaitGroup {
	var crew sync.WaitGroup
	for range n {
		crew.Go(func() {
			for job := range jobs {
				do(job)
			}
		})
	}
	return &crew
}

// look is how long a program waits before it looks again, where it cannot wait.
const look = 10 * time.Millisecond

// args is River's task.
type args struct {
	In int `json:"in"`
}

// Kind implements river.JobArgs.
func (args) Kind() string { return "behave" }

type riverClient = river.Client[tx]

// openRiver starts a client that runs jobs of args. Its database is a file in this folder, opened as the
// documentation of River's driver says.
func openRiver(ctx context.Context, workers int, work func(context.Context, *river.Job[args]) error, config *river.Config) *riverClient {
	client := riverWith(ctx, openSQLite(ctx), workers, work, config)
	check(client.Start(ctx))
	return client
}

// outputs opens a client whose jobs record what do returns.
func outputs(ctx context.Context, workers int, do func(int) int, config *river.Config) *riverClient {
	return openRiver(ctx, workers, func(ctx context.Context, job *river.Job[args]) error {
		return river.RecordOutput(ctx, do(job.Args.In))
	}, config)
}

// rescued has a client take over a job that has begun and not ended in two seconds, not in an hour.
func rescued() *river.Config {
	return &river.Config{JobTimeout: time.Second, RescueStuckJobsAfter: 2 * time.Second}
}

// openSQLite opens the database and has River make its tables.
func openSQLite(ctx context.Context) *sql.DB {
	db := must(sql.Open("sqlite", "file:river.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate"))
	db.SetMaxOpenConns(1)
	must(must(rivermigrate.New(riversqlite.New(db), nil)).Migrate(ctx, rivermigrate.DirectionUp, nil))
	return db
}

func riverWith(
	ctx context.Context, db *sql.DB, workers int, work func(context.Context, *river.Job[args]) error, config *river.Config,
) *riverClient {
	if config == nil {
		config = &river.Config{}
	}
	config.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	config.Workers = river.NewWorkers()
	river.AddWorker(config.Workers, river.WorkFunc(work))
	if config.Queues == nil {
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}
	}
	return must(river.NewClient(riversqlite.New(db), config))
}

// insert returns the ID of a new job.
func insert(ctx context.Context, client *riverClient, in int, opts *river.InsertOpts) int64 {
	return must(client.Insert(ctx, args{in}, opts)).Job.ID
}

// insertAll returns the IDs of n new jobs.
func insertAll(ctx context.Context, client *riverClient, n int, opts *river.InsertOpts) (ids []int64) {
	for in := range n {
		ids = append(ids, insert(ctx, client, in, opts))
	}
	return ids
}

// awaitJob asks for a job until it has ended. Subscribe would tell as well, but only of what this client ran.
func awaitJob(ctx context.Context, client *riverClient, id int64) *rivertype.JobRow {
	for {
		switch job := must(client.JobGet(ctx, id)); job.State {
		case rivertype.JobStateCompleted, rivertype.JobStateDiscarded, rivertype.JobStateCancelled:
			return job
		default:
			time.Sleep(look)
		}
	}
}

// output is what the job has recorded.
func output(job *rivertype.JobRow) (v int) {
	if text := job.Output(); text != nil {
		check(json.Unmarshal(text, &v))
	}
	return v
}
