package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// riverQueue is a client of River, which inserts jobs and works them, as a pool does.
type riverQueue struct {
	server *process
	db     *pgxpool.Pool
	client *river.Client[pgx.Tx]
	ended  <-chan *river.Event
	unsub  func()
	how    tuning
	worker *riverWorker
}

// riverEvents is how many events the subscription holds: what does not fit is dropped.
const riverEvents = 100_000

func openRiver(ctx context.Context, at *place, how tuning) (_ queue, err error) {
	db, err := at.database(ctx)
	if err != nil {
		return nil, err
	}
	server, err := db.start(ctx)
	if err != nil {
		return nil, err
	}
	q := &riverQueue{server: server, worker: &riverWorker{isTx: how.isTx}, how: how, unsub: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, q.Close())
		}
	}()
	if q.db, err = db.connect(ctx); err != nil {
		return nil, err
	}
	driver := riverpgxv5.New(q.db)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	for _, sql := range []string{"TRUNCATE river_job RESTART IDENTITY", "VACUUM FULL river_job"} { // River's own benchmark does it, too
		if _, err := q.db.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	config := &river.Config{
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: how.workers}},
		Workers: river.NewWorkers(),
	}
	if how.pause > 0 {
		config.FetchCooldown, config.FetchPollInterval = how.pause, max(how.pause, riverPoll)
	}
	q.worker.db = q.db
	river.AddWorker(config.Workers, q.worker)
	if q.client, err = river.NewClient(driver, config); err != nil {
		return nil, err
	}
	q.ended, q.unsub = q.client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: riverEvents,
		Kinds:    []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled},
	})
	return q, q.client.Start(ctx)
}

// riverPoll is the interval of polling, for what notifications miss: that of River's own benchmark,
// cmd/river/riverbench.
const riverPoll = 20 * time.Millisecond

type riverArgs struct {
	In int `json:"in"`
}

// Kind implements river.JobArgs.
func (riverArgs) Kind() string { return "engines" }

type riverWorker struct {
	river.WorkerDefaults[riverArgs]
	isTx bool // each job is completed in a transaction of its own
	db   *pgxpool.Pool

	during func(db *pgxpool.Pool, job int64) error // of tests: what happens while a job runs; nil: nothing
}

// Work implements river.Worker.
func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	if w.during != nil {
		if err := w.during(w.db, job.ID); err != nil {
			return err
		}
	}
	if err := river.RecordOutput(ctx, work(job.Args.In)); err != nil || !w.isTx {
		return err
	}
	return pgx.BeginFunc(ctx, w.db, func(tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

func (q *riverQueue) SubmitAll(ctx context.Context, in []int) error {
	params := make([]river.InsertManyParams, 0, batchSize)
	for batch := range slices.Chunk(in, batchSize) {
		params = params[:0]
		for _, v := range batch {
			params = append(params, river.InsertManyParams{Args: riverArgs{v}})
		}
		var err error
		if q.how.isFast {
			_, err = q.client.InsertManyFast(ctx, params)
		} else {
			_, err = q.client.InsertMany(ctx, params)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *riverQueue) Submit(ctx context.Context, in int) error {
	_, err := q.client.Insert(ctx, riverArgs{in}, nil)
	return err
}

// Wait counts events: River sends one when a job's state and output are committed.
func (q *riverQueue) Wait(ctx context.Context, n int) error {
	for range n {
		if _, err := q.event(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (q *riverQueue) event(ctx context.Context) (*rivertype.JobRow, error) {
	select {
	case e, isOpen := <-q.ended:
		if !isOpen {
			return nil, errors.New("river: the client has stopped")
		}
		if e.Kind != river.EventKindJobCompleted {
			return nil, fmt.Errorf("river: job %d: %s: %v", e.Job.ID, e.Kind, e.Job.Errors)
		}
		return e.Job, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Call waits for the event. Where the job is completed in its own transaction, it looks every
// millisecond: the event comes later, with those of others.
func (q *riverQueue) Call(ctx context.Context, in int) (int, error) {
	inserted, err := q.client.Insert(ctx, riverArgs{in}, nil)
	if err != nil {
		return 0, err
	}
	for {
		var job *rivertype.JobRow
		if q.how.isTx {
			time.Sleep(look)
			job, err = q.client.JobGet(ctx, inserted.Job.ID)
		} else {
			job, err = q.event(ctx)
		}
		if err != nil {
			return 0, err
		}
		if job.ID == inserted.Job.ID && job.State == rivertype.JobStateCompleted {
			var out int
			return out, json.Unmarshal(job.Output(), &out)
		}
	}
}

func (q *riverQueue) Results(ctx context.Context) ([]int, error) {
	rows, err := q.db.Query(ctx, "SELECT (metadata->'output')::int FROM river_job WHERE state = 'completed'")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int])
}

func (q *riverQueue) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	q.unsub()
	if q.client != nil {
		err = q.client.Stop(ctx)
	}
	if q.db != nil {
		q.db.Close()
	}
	return errors.Join(err, q.server.stop())
}
