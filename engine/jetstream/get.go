package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

func unknownFormat(id uint64) error {
	return fmt.Errorf("the server has something under the ID of task %d, and %w: %w", id, errFormat, errUnreadable)
}

func unreadable(what string, id uint64) error {
	return fmt.Errorf("the server has %s %d and cannot read it: %w: restore them from a backup", what, id, errUnreadable)
}

// lastOrUnreadable gets a record from the leader, which knows also how many messages there are that it cannot read. read is
// how many were read of the run, in vain: if there is no other replica, and there are no more, that is the answer.
func (e *Engine) lastOrUnreadable(ctx context.Context, id uint64, read int) ([]byte, error) {
	subject := e.resultSubject(seqOf(id))
	info, err := e.results.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return nil, err
	}
	listed := info.State.Subjects[subject]
	if listed == 0 || listed == uint64(read) && e.results.CachedInfo().Config.Replicas <= 1 {
		return nil, engine.ErrNotFound
	}
	var data []byte
	isFound := func(msgs []resultMsg) bool {
		return slices.ContainsFunc(msgs, func(m resultMsg) bool {
			found, err := findIn(m.results, id)
			data = found
			return err == nil
		})
	}
	msgs, _, isWhole, err := e.readWholeRun(ctx, seqOf(id), isFound)
	switch {
	case err != nil:
		return nil, err
	case isFound(msgs):
		return data, nil
	case slices.ContainsFunc(msgs, func(m resultMsg) bool { return m.isOdd }):
		return nil, unknownFormat(id)
	case !isWhole:
		return nil, unreadable("the result of task", id)
	}
	return nil, engine.ErrNotFound
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
	if seqOf(id) == 0 { // which no message has
		return engine.ErrNotFound
	}
	err := e.hasRun(ctx, seqOf(id), id)
	if !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	// A rest is stored before the message that had its tasks is removed.
	next := getRequest{Seq: 1, NextFor: e.restsOf(seqOf(id))}
	for {
		m, failed := e.ask(ctx, e.names.tasks, next)
		if failed != nil {
			return failed
		}
		if has(m.Data, id) {
			return nil
		}
		next.Seq = m.Seq + 1
	}
}

// restsOf matches the subjects of the rests of a run.
func (e *Engine) restsOf(seq uint64) string { return e.names.rest + "*." + strconv.FormatUint(seq, 10) }

// has reports whether a task is in a message.
func has(data []byte, id uint64) bool {
	entries, _, err := decodeRun(data)
	return err == nil && slices.ContainsFunc(entries, func(one entry) bool { return one.index == indexOf(id) })
}

// hasMessage returns nil if a message with tasks is in the queue, and ErrNotFound if it is not.
func (e *Engine) hasMessage(ctx context.Context, seq uint64) error { return e.hasRun(ctx, seq, 0) }

// hasRun returns nil if a message is in the queue that has the task with that ID, or any if that is 0.
func (e *Engine) hasRun(ctx context.Context, seq, id uint64) error {
	m, err := e.ask(ctx, e.names.tasks, getRequest{Seq: seq})
	if err == nil && id > 0 && (m.Subject != e.names.task || !has(m.Data, id)) {
		return engine.ErrNotFound
	}
	if !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	info, failed := e.tasks.Info(ctx)
	if failed != nil {
		return failed
	}
	if has := info.State; seq < has.FirstSeq || seq > has.LastSeq {
		return err
	}
	if info, failed = e.tasks.Info(ctx, jetstream.WithDeletedDetails(true)); failed != nil {
		return failed
	}
	if has := info.State; seq < has.FirstSeq || slices.Contains(has.Deleted, seq) {
		return err
	}
	if _, err = e.ask(ctx, e.names.tasks, getRequest{Seq: seq}); errors.Is(err, engine.ErrNotFound) {
		err = unreadable("task", cmp.Or(id, idAt(seq, 0)))
	}
	return err
}
