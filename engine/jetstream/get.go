package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// A getRequest asks for a message, or several.
type getRequest struct {
	Seq      uint64 `json:"seq,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// request publishes a request that is answered with up to most messages, and returns where they
// come. There is room for heartbeats, too, while nobody reads.
func (e *Engine) request(subject string, req any, most int) (*nats.Subscription, <-chan *nats.Msg, error) {
	data, err := json.Marshal(req)
	if err != nil {
		return nil, nil, err
	}
	msgs := make(chan *nats.Msg, most+16)
	inbox := e.nc.NewInbox()
	sub, err := e.nc.ChanSubscribe(inbox, msgs)
	if err != nil {
		return nil, nil, err
	}
	if err := e.nc.PublishRequest(subject, inbox, data); err != nil {
		_ = sub.Unsubscribe()
		return nil, nil, err
	}
	return sub, msgs, nil
}

type storedMsg struct {
	Subject string `json:"subject"`
	Seq     uint64 `json:"seq"`
	Data    []byte `json:"data"`
}

// ask gets a message from the leader of a stream, which knows. The client's own methods ask any
// replica if the stream allows that, and a replica may lag.
func (e *Engine) ask(ctx context.Context, stream string, req getRequest) (*storedMsg, error) {
	data, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	m, err := e.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, data)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Message *storedMsg          `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, engine.ErrNotFound
	case answer.Error != nil:
		return nil, answer.Error
	case answer.Message == nil:
		return nil, fmt.Errorf("the server's answer has no message: %q", m.Data)
	}
	return answer.Message, nil
}

// errUnreadable is in the error of a task or a result that is damaged on the server's disk. The
// server says that there is none, but counts and lists it, unlike one that was never there.
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
