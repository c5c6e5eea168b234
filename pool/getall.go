package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/store"
)

// GetAll waits for the tasks with those IDs together: one queue.Group stands with all that are pending, and
// whoever ends a task puts it into the group's list. So results come in the order in which tasks end, no
// goroutine is needed, and what is kept is one waiter for each task that is pending. All of them stand there
// before the first result is yielded: the body may take its time, and the order is not lost.
//
// Decided against: a Get for each ID, one after the other, is neither in that order nor prompt; a goroutine
// for each is dear; to look at all IDs again whenever a task ends is quadratic.

// GetAll returns a sequence of the results of the tasks with those IDs. It yields each as soon as it is stored:
// first those that are stored already, in the order of ids, then each of the others when its task has ended. Each
// result is yielded once, even if its ID is in ids twice; then the loop ends. Nothing is deleted.
//
//	for res, err := range p.GetAll(ctx, ids) {
//		if err != nil && res.ID == 0 {
//			return err // ctx is done, or the store has failed
//		}
//		use(res, err) // err: this one cannot be had
//	}
//
// A pair with an error and an ID other than 0 says why the result of that task cannot be had, as the error of
// [Pool.Result] does, and the loop goes on. With an [UnsavedError] the result is complete. A pair with an error and
// ID 0 is the last: ctx is done, the store has failed, or one of ids is 0.
//
// The loop blocks while no task of ids ends, until ctx is done. For each task, a loop costs the workers no more
// than one Get does. Inside a task, with the task's context, each task that has not ended is yielded with
// [ErrInTask]. The body may call anything, also the pool: no lock is held while it runs. The sequence may be ranged
// over again, and by several goroutines; ids must not change meanwhile.
func (p *Pool[T, R]) GetAll(ctx context.Context, ids []store.ID) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		ids, err := distinct(ids)
		if why := p.check(ctx); why != nil {
			err = why
		}
		switch {
		case err != nil:
			yield(store.Result[R]{}, err)
		case p.share != nil:
			p.share.GetAll(ctx, ids, yield)
		default:
			p.getAll(ctx, ids, yield)
		}
	}
}

// getAll is GetAll of a pool of New, for IDs that are distinct.
func (p *Pool[T, R]) getAll(ctx context.Context, ids []store.ID, yield func(store.Result[R], error) bool) {
	var group queue.Group
	defer p.queue.Leave(&group)
	var inTask []store.ID
	isInTask := p.inTask(ctx)
	left := 0 // tasks that the group waits for
	ready := make([]uint64, 0, len(ids))
	for _, id := range ids {
		switch ticket, ok := p.ticketOf(id); {
		case ok && isInTask && p.queue.IsPending(ticket):
			inTask = append(inTask, id)
		case ok && !isInTask && p.queue.Join(&group, ticket, uint64(id)):
			left++
		default:
			ready = append(ready, uint64(id))
		}
	}
	for {
		for _, id := range ready {
			if !p.yieldStored(ctx, store.ID(id), yield) {
				return
			}
		}
		if left == 0 {
			break
		}
		select {
		case <-group.Ready():
		case <-ctx.Done():
			yield(store.Result[R]{}, backoff.Cause(ctx))
			return
		}
		ready = p.queue.Take(&group, ready[:0])
		left -= len(ready)
	}
	for _, id := range inTask {
		if !yield(store.Result[R]{ID: id}, ErrInTask) {
			return
		}
	}
}

// yieldStored yields the result of a task that has ended, or why it cannot be had. It returns false if the loop
// is over.
func (p *Pool[T, R]) yieldStored(ctx context.Context, id store.ID, yield func(store.Result[R], error) bool) bool {
	res, err := p.stored(ctx, id)
	return yield(res, err) && (err == nil || res.ID != 0)
}

// stored returns the result of a task that has ended, or why it cannot be had: an error with the ID, or, if
// none can be had, without one.
func (p *Pool[T, R]) stored(ctx context.Context, id store.ID) (store.Result[R], error) {
	if ctx.Err() != nil {
		return store.Result[R]{}, backoff.Cause(ctx)
	}
	res, err := p.saver.Store().Get(ctx, id)
	if err == nil {
		return res, nil
	}
	res, err = p.unsavedOr(id, res, err)
	switch {
	case errors.Is(err, store.ErrNotFound):
		res.ID = id
	case ctx.Err() != nil && res.ID == 0:
		err = backoff.Cause(ctx)
	}
	return res, err
}

// distinct returns ids without those that are there twice. IDs of one SubmitAll need no look at all of them.
func distinct(ids []store.ID) ([]store.ID, error) {
	increasing := true
	last := store.ID(0)
	for i, id := range ids {
		if id == 0 {
			return nil, fmt.Errorf("pool: the ID at index %d is 0, that of no task: %w", i, store.ErrNotFound)
		}
		increasing = increasing && id > last
		last = id
	}
	if increasing {
		return ids, nil
	}
	seen := make(map[store.ID]struct{}, len(ids))
	once := make([]store.ID, 0, len(ids))
	for _, id := range ids {
		if _, is := seen[id]; !is {
			seen[id] = struct{}{}
			once = append(once, id)
		}
	}
	return once, nil
}
