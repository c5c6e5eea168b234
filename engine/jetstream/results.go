package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/engine"
)

func (e *Engine) resultSubject(seq uint64) string {
	return e.names.result + strconv.FormatUint(seq, 10)
}

// Load returns the record with that ID. With replicas any of them may answer: what was
// deleted a moment ago may still be found.
func (e *Engine) Load(ctx context.Context, id uint64) ([]byte, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.direct, e.names.get, e.names.info)
	if err != nil {
		return nil, err
	}
	defer end()
	data, err := e.direct(call, id)
	if errors.Is(err, engine.ErrNotFound) {
		data, err = e.lastOrUnreadable(call, id)
	}
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, engine.ErrNotFound):
		return nil, fmt.Errorf("jetstream: no result of task %d: %w", id, engine.ErrNotFound)
	}
	return nil, e.failAt(call, "load", e.names.results, err)
}

// direct gets a record from any replica. A replica that lags does not find it.
func (e *Engine) direct(ctx context.Context, id uint64) ([]byte, error) {
	m, err := e.results.GetLastMsgForSubject(ctx, e.resultSubject(seqOf(id)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, engine.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	data, err := find(m.Data, id)
	if first := m.Header.Get(nats.ExpectedLastSubjSeqHdr); !errors.Is(err, engine.ErrNotFound) || first == "0" {
		return data, err
	}
	for from := uint64(1); ; { // it is in an earlier one, perhaps
		msgs, err := e.directPage(ctx, from, e.resultSubject(seqOf(id)))
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			if data, err := find(m.Data, id); !errors.Is(err, engine.ErrNotFound) {
				return data, err
			}
			from = m.Seq + 1
		}
		if len(msgs) < pageRecords {
			return nil, engine.ErrNotFound
		}
	}
}

// find returns a record that is in a message of results.
func find(data []byte, id uint64) ([]byte, error) {
	results, err := decodeResults(data)
	if err != nil {
		return nil, unknownFormat(id)
	}
	for _, r := range results {
		if r.index == indexOf(id) {
			return r.data, nil
		}
	}
	return nil, engine.ErrNotFound
}

// A resultMsg is a message with results of a run.
type resultMsg struct {
	seq     uint64
	results []result
}

// readRun returns the messages with results of a run, from the leader.
func (e *Engine) readRun(ctx context.Context, seq uint64) (msgs []resultMsg, err error) {
	next := getRequest{Seq: 1, NextFor: e.resultSubject(seq)}
	for {
		m, err := e.ask(ctx, e.names.results, next)
		if errors.Is(err, engine.ErrNotFound) {
			return msgs, nil
		}
		if err != nil {
			return nil, err
		}
		results, err := decodeResults(m.Data)
		if err != nil {
			return nil, unknownFormat(idAt(seq, 0))
		}
		msgs = append(msgs, resultMsg{m.Seq, results})
		next.Seq = m.Seq + 1
	}
}

// Delete forgets the records with those IDs. What is left of a message is stored anew, and then the message is
// removed.
func (e *Engine) Delete(ctx context.Context, ids []uint64) error {
	call, end, err := e.begin(ctx, 0, e.names.purge, e.names.result)
	if err != nil {
		return err
	}
	defer end()
	runs := make(map[uint64]*set)
	for _, id := range ids {
		if runs[seqOf(id)] == nil {
			runs[seqOf(id)] = new(set)
		}
		runs[seqOf(id)].add(indexOf(id))
	}
	deletes, ctx := errgroup.WithContext(call)
	deletes.SetLimit(16)
	for seq, which := range runs {
		deletes.Go(func() error { return e.deleteOf(ctx, seq, which) })
	}
	if err := deletes.Wait(); err != nil {
		return e.failAt(call, "delete", e.names.results, err)
	}
	return nil
}

// deleteOf deletes results of one run. If others write on its subject meanwhile, it begins again.
func (e *Engine) deleteOf(ctx context.Context, seq uint64, which *set) error {
	s, release, err := e.saves.acquire(ctx, seq)
	if err != nil {
		return err
	}
	defer release()
	for {
		isDone, err := e.tryDeleteOf(ctx, s, seq, which)
		if isDone || err != nil {
			return err
		}
	}
}

func (e *Engine) tryDeleteOf(ctx context.Context, s *save, seq uint64, which *set) (isDone bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
	defer cancel()
	msgs, err := e.readRun(ctx, seq)
	if err != nil {
		return false, err
	}
	*s = save{}
	var left []result
	deleted := len(msgs) == 0 // perhaps there is one that cannot be read
	for _, m := range msgs {
		s.last = m.seq
		for _, r := range m.results {
			switch {
			case which.has(r.index):
				deleted = true
			case !s.has.has(r.index):
				s.has.add(r.index)
				left = append(left, r)
			}
		}
	}
	if !deleted {
		return true, nil
	}
	purge := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(e.resultSubject(seq))}
	if s.last > 0 {
		purge = append(purge, jetstream.WithPurgeSequence(s.last+1))
	}
	for i, data := range e.pack(left) {
		ack, err := e.js.PublishMsg(ctx, e.resultsMessage(seq, s.last, data), jetstream.WithRetryAttempts(0))
		if isThere(err) || isSaving(err) {
			*s = save{}
			return false, pause(ctx, underWayPause)
		}
		if err != nil {
			*s = save{}
			return false, err
		}
		if s.last = ack.Sequence; i == 0 {
			purge[1] = jetstream.WithPurgeSequence(ack.Sequence)
		}
	}
	if len(left) == 0 {
		*s = save{}
	}
	return true, e.results.Purge(ctx, purge...)
}
