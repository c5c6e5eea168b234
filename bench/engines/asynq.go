package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"
)

// asynqQueue is a client and servers of asynq, which is what asynq calls those who run tasks.
type asynqQueue struct {
	server    *process
	client    *asynq.Client
	inspector *asynq.Inspector
	workers   []*asynq.Server
	ran       atomic.Int64 // tasks whose result is written
}

const (
	asynqType    = "engines"
	asynqDefault = "default"
	// asynqEnqueuers is how many goroutines submit where others submit batches, which asynq
	// has not.
	asynqEnqueuers = 64
	// asynqRetention is how long results are kept.
	asynqRetention = time.Hour
)

func openAsynq(ctx context.Context, at *place, how tuning) (_ queue, err error) {
	server, socket, err := at.startRedis(ctx)
	if err != nil {
		return nil, err
	}
	opt := asynq.RedisClientOpt{Network: "unix", Addr: socket, PoolSize: 300} // more than there are goroutines
	q := &asynqQueue{server: server, client: asynq.NewClient(opt), inspector: asynq.NewInspector(opt)}
	defer func() {
		if err != nil {
			err = errors.Join(err, q.Close())
		}
	}()
	config := asynq.Config{Concurrency: how.workers, TaskCheckInterval: how.pause, LogLevel: asynq.ErrorLevel}
	for range max(1, how.servers) {
		s := asynq.NewServer(opt, config)
		if err := s.Start(asynq.HandlerFunc(q.handle)); err != nil {
			return nil, err
		}
		q.workers = append(q.workers, s)
	}
	return q, nil
}

func (q *asynqQueue) handle(_ context.Context, task *asynq.Task) error {
	in, err := strconv.Atoi(string(task.Payload()))
	if err != nil {
		return err
	}
	if _, err := task.ResultWriter().Write(strconv.AppendInt(nil, int64(work(in)), 10)); err != nil {
		return err
	}
	q.ran.Add(1)
	return nil
}

func (q *asynqQueue) SubmitAll(ctx context.Context, in []int) error {
	return each(asynqEnqueuers, in, func(in int) error { return q.Submit(ctx, in) })
}

func (q *asynqQueue) Submit(ctx context.Context, in int) error {
	_, err := q.enqueue(ctx, in)
	return err
}

func (q *asynqQueue) enqueue(ctx context.Context, in int) (*asynq.TaskInfo, error) {
	task := asynq.NewTask(asynqType, strconv.AppendInt(nil, int64(in), 10))
	return q.client.EnqueueContext(ctx, task, asynq.Retention(asynqRetention))
}

// Wait counts handlers until all have returned, and then asks Redis.
func (q *asynqQueue) Wait(ctx context.Context, n int) error {
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if q.ran.Load() >= int64(n) {
			info, err := q.inspector.GetQueueInfo(asynqDefault)
			switch {
			case err != nil:
				return err
			case info.Failed > 0:
				return fmt.Errorf("asynq: %d tasks have failed", info.Failed)
			case info.Completed == n:
				return nil
			}
		}
		time.Sleep(look)
	}
}

// Call looks every millisecond: asynq tells nobody that a task has ended.
func (q *asynqQueue) Call(ctx context.Context, in int) (int, error) {
	info, err := q.enqueue(ctx, in)
	for err == nil && info.State != asynq.TaskStateCompleted {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		time.Sleep(look)
		info, err = q.inspector.GetTaskInfo(asynqDefault, info.ID)
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(info.Result))
}

func (q *asynqQueue) Results(context.Context) (all []int, err error) {
	const size = 1000
	for page := 1; ; page++ {
		tasks, err := q.inspector.ListCompletedTasks(asynqDefault, asynq.PageSize(size), asynq.Page(page))
		if err != nil {
			return nil, err
		}
		for _, t := range tasks {
			v, err := strconv.Atoi(string(t.Result))
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		if len(tasks) < size {
			return all, nil
		}
	}
}

func (q *asynqQueue) Close() error {
	var all errgroup.Group
	for _, w := range q.workers {
		all.Go(func() error { w.Shutdown(); return nil })
	}
	return errors.Join(all.Wait(), q.client.Close(), q.inspector.Close(), q.server.stop())
}
