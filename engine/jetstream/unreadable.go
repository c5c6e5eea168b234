package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// A server that finds a message damaged on its disk passes over it, and says that there is
// none; but it counts it, and lists it. That is how such a message can be told from one that
// was never there: else a result would be missing without a word, and an empty queue would
// never be empty.

// errUnreadable is in the error of a task or a result that is damaged on the server's disk.
var errUnreadable = errors.New("its files are damaged")

func unreadable(what string, id uint64) error {
	return fmt.Errorf("the server has %s %d and cannot read it: %w: restore them from a backup", what, id, errUnreadable)
}

// lastOrUnreadable gets a record from the leader.
func (e *Engine) lastOrUnreadable(ctx context.Context, id uint64) ([]byte, error) {
	data, err := e.last(ctx, id)
	for range 2 { // it may just have been saved, and then it is found
		if !errors.Is(err, engine.ErrNotFound) {
			return data, err
		}
		info, failed := e.results.Info(ctx, jetstream.WithSubjectFilter(e.resultSubject(id)))
		if failed != nil {
			return nil, failed
		}
		if len(info.State.Subjects) == 0 {
			return nil, engine.ErrNotFound
		}
		data, err = e.last(ctx, id)
	}
	if errors.Is(err, engine.ErrNotFound) {
		err = unreadable("the result of task", id)
	}
	return data, err
}

// hasTask returns nil if a task is in the queue, and ErrNotFound if it is not.
func (e *Engine) hasTask(ctx context.Context, id uint64) error {
	_, err := e.ask(ctx, e.names.tasks, getRequest{Seq: id})
	if !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	info, failed := e.tasks.Info(ctx)
	if failed != nil {
		return failed
	}
	if has := info.State; id < has.FirstSeq || id > has.LastSeq {
		return err
	}
	if info, failed = e.tasks.Info(ctx, jetstream.WithDeletedDetails(true)); failed != nil {
		return failed
	}
	if has := info.State; id < has.FirstSeq || slices.Contains(has.Deleted, id) {
		return err
	}
	if _, err = e.ask(ctx, e.names.tasks, getRequest{Seq: id}); errors.Is(err, engine.ErrNotFound) {
		err = unreadable("task", id)
	}
	return err
}
