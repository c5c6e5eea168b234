package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/store"
)

// State is what has become of a task, as [Pool.Peek] says.
type State int

// The states of a task.
const (
	Unknown State = iota // there is no such task, or its result was deleted
	Pending              // accepted, and not ended
	Ended                // it has a result
)

// String returns "unknown", "pending" or "ended".
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Pending:
		return "pending"
	case Ended:
		return "ended"
	default:
		return fmt.Sprintf("State(%d)", int(s))
	}
}

// Result waits for the task with that ID, as [Pool.Get] does, and returns its result, with the task's error in its
// Err. The error beside the result is Result's own, and says that the result cannot be had:
//
//   - context.Cause(ctx), if ctx was done first;
//   - an error matching [store.ErrNotFound], at once, for an ID that was never given out or whose result was
//     deleted;
//   - [ErrInTask], inside a task, with the task's context, for a task that has not ended;
//   - the store's, or that of a result that cannot be read;
//   - an [UnsavedError], if the store did not take the result, which is then returned complete beside the error.
//
// It may be called from any goroutine.
func (p *Pool[T, R]) Result(ctx context.Context, id store.ID) (store.Result[R], error) {
	if err := p.check(ctx); err != nil {
		return store.Result[R]{}, err
	}
	if p.share != nil {
		return p.share.Result(ctx, id)
	}
	res, err := p.saver.Store().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		if err := p.await(ctx, id); err != nil {
			return store.Result[R]{}, err
		}
		// Its result was stored before it was settled, or given up. If it is neither there
		// now nor among the unsaved, it was deleted.
		res, err = p.saver.Store().Get(ctx, id)
	}
	return p.unsavedOr(id, res, err)
}

// Peek returns what has become of the task with that ID so far: its result if it has [Ended], and otherwise no
// result. It does not wait for the task, and may be called inside one. It blocks while the store reads.
//
// If the store fails, or returns because ctx is done, the error is the store's and the state Unknown. For a task
// that has Ended, the error is an [UnsavedError] beside the result if the store did not take it, or says that the
// result cannot be read. A task that does not exist is not an error.
//
// In a pool that has joined an engine, Peek asks once, for up to five seconds or until ctx is done, and does not
// try again. If there is no result, it asks whether there is a task: if there is, that takes a tenth of a second,
// or five times as long as the first answer took if that is longer. If the engine does not implement engine.Waiter,
// nobody can know, and a task without a result is Pending.
func (p *Pool[T, R]) Peek(ctx context.Context, id store.ID) (store.Result[R], State, error) {
	var none store.Result[R]
	if err := p.check(ctx); err != nil {
		return none, Unknown, err
	}
	var res store.Result[R]
	var pending bool
	var err error
	if p.share != nil {
		res, pending, err = p.share.Peek(ctx, id)
	} else {
		res, pending, err = p.peek(ctx, id)
	}
	switch {
	case pending:
		return none, Pending, nil
	case errors.Is(err, store.ErrNotFound):
		return none, Unknown, nil
	case err == nil || res.ID != 0:
		return res, Ended, err
	default:
		return none, Unknown, err
	}
}

// peek is Peek of a pool of New.
func (p *Pool[T, R]) peek(ctx context.Context, id store.ID) (res store.Result[R], pending bool, err error) {
	res, err = p.saver.Store().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		if ticket, ok := p.ticketOf(id); ok && p.queue.IsPending(ticket) {
			return res, true, nil
		}
		res, err = p.saver.Store().Get(ctx, id) // as in Result
	}
	res, err = p.unsavedOr(id, res, err)
	return res, false, err
}

// unsavedOr returns what the store has answered for a task that is not pending, or its result if the store
// would not take that. If the ID of a result beside an error is not 0, the error is about this result only.
func (p *Pool[T, R]) unsavedOr(id store.ID, res store.Result[R], err error) (store.Result[R], error) {
	if err == nil {
		return res, nil
	}
	if res, why := p.saver.DroppedResult(id); why != nil {
		return res, &UnsavedError[R]{Results: []store.Result[R]{res}, Err: why}
	}
	if errors.Is(err, store.ErrClosed) && p.closedByFailure() != nil {
		err = closedBecause(err)
	}
	return store.Result[R]{ID: res.ID}, err
}
