package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// A server that finds a message damaged on its disk passes over it, and says that there is none.
// But it counts the message, and lists it. This distinguishes it from a message that was never
// there. Without that, a result would be missing without a word, and a queue never be empty.

// errUnreadable is in the error of a task or a result that is damaged on the server's disk.
var errUnreadable = errors.New("its files are damaged")

func unreadable(what string, id uint64) error {
	return fmt.Errorf("the server has %s %d and cannot read it: %w: restore them from a backup", what, id, errUnreadable)
}

// lastOrUnreadable gets a record from the leader.
func (e *Engine) lastOrUnreadable(ctx context.Context, id uint64) ([]byte, error) {
	data, err := e.last(ctx, id)
	for range 2 { // a result that was saved just now is found the second time
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

// stays reports, now and then, whether a task has been the first in the queue for a while.
func (e *Engine) stays(first uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	stays := e.first == first && time.Since(e.firstAt) > 5*time.Second
	if stays || e.first != first {
		e.first, e.firstAt = first, time.Now()
	}
	return stays
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
