package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

func (e *Engine) resultSubject(id uint64) string {
	return e.names.result + strconv.FormatUint(id, 10)
}

// Save stores recs, each under an ID that has none yet.
func (e *Engine) Save(ctx context.Context, recs []engine.Record) error {
	call, end, err := e.begin(ctx, 0, e.names.result)
	if err != nil {
		return err
	}
	defer end()
	for _, rec := range recs {
		if e.tooLarge(rec.Data) {
			return fmt.Errorf("jetstream: the result of task %d has %d bytes, and the server takes %d: %w",
				rec.ID, len(rec.Data), e.nc.MaxPayload()-overhead, engine.ErrTooLarge)
		}
	}
	saved := 0
	var failed error
	todo := recs
	for tries := 0; len(todo) > 0; tries++ {
		var saving []engine.Record
		var lastSaving error
		e.publishAll(call, len(todo),
			func(i int) *nats.Msg {
				return &nats.Msg{Subject: e.resultSubject(todo[i].ID), Data: todo[i].Data, Header: nats.Header{nats.ExpectedLastSubjSeqHdr: {"0"}}}
			},
			func(i int, _ *jetstream.PubAck, err error) bool {
				switch {
				case err == nil, isThere(err):
					saved++
					return true
				case isSaving(err):
					saving, lastSaving = append(saving, todo[i]), err
					return true
				case failed == nil:
					failed = err
				}
				return false
			})
		if failed != nil || len(saving) == 0 {
			break
		}
		// Replicas are storing what another call has saved under this ID: it is there in a
		// moment, or it is lost with their leader.
		if tries == maxUnderWay || pause(call, underWayPause) != nil {
			failed = lastSaving
			break
		}
		todo = saving
	}
	switch {
	case failed != nil:
		return e.failAt(call, "save", e.names.results, failed)
	case saved < len(recs):
		return e.fail(call, "save", context.Cause(call))
	}
	return nil
}

// Load returns the record with that ID. With replicas any of them may answer: what was
// deleted a moment ago may still be found.
func (e *Engine) Load(ctx context.Context, id uint64) ([]byte, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.direct, e.names.get)
	if err != nil {
		return nil, err
	}
	defer end()
	data, err := e.direct(call, id)
	if errors.Is(err, engine.ErrNotFound) && e.replicated() {
		data, err = e.last(call, id)
	}
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, engine.ErrNotFound):
		return nil, fmt.Errorf("jetstream: no result of task %d: %w", id, engine.ErrNotFound)
	}
	return nil, e.failAt(call, "load", e.names.results, err)
}

// direct gets a record from any replica. One that lags does not find it.
func (e *Engine) direct(ctx context.Context, id uint64) ([]byte, error) {
	m, err := e.results.GetLastMsgForSubject(ctx, e.resultSubject(id))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, engine.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// last gets a record from the leader.
func (e *Engine) last(ctx context.Context, id uint64) ([]byte, error) {
	m, err := e.ask(ctx, e.names.results, getRequest{LastFor: e.resultSubject(id)})
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

func (e *Engine) replicated() bool { return e.results.CachedInfo().Config.Replicas > 1 }

// Delete forgets the records with those IDs.
func (e *Engine) Delete(ctx context.Context, ids []uint64) error {
	call, end, err := e.begin(ctx, 0, e.names.purge)
	if err != nil {
		return err
	}
	defer end()
	const several = 16
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	next := 0
	for range min(several, len(ids)) {
		wg.Go(func() {
			for {
				mu.Lock()
				if next == len(ids) || failed != nil {
					mu.Unlock()
					return
				}
				id := ids[next]
				next++
				mu.Unlock()
				if err := e.purgeResult(call, id); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return e.failAt(call, "delete", e.names.results, failed)
	}
	return nil
}

func (e *Engine) purgeResult(ctx context.Context, id uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
	defer cancel()
	return e.results.Purge(ctx, jetstream.WithPurgeSubject(e.resultSubject(id)))
}

// A page of All holds so many records, or so many bytes and one record.
const (
	pageRecords = 256
	pageBytes   = 4 << 20
)

// All returns the records that are stored. Each step asks for some hundred records: there
// is nothing in the server that a loop which is left, or takes its time, would hold.
func (e *Engine) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	return func(yield func(engine.Record, error) bool) {
		last, err := e.lastResult(ctx)
		for seq := uint64(1); err == nil && seq <= last; {
			var recs []engine.Record
			recs, seq, err = e.page(ctx, seq)
			for _, rec := range recs {
				if !yield(rec, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(engine.Record{}, err)
		}
	}
}

func (e *Engine) lastResult(ctx context.Context) (uint64, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.info)
	if err != nil {
		return 0, err
	}
	defer end()
	info, err := e.results.Info(call)
	if err != nil {
		return 0, e.failAt(call, "all", e.names.results, err)
	}
	return info.State.LastSeq, nil
}

const noMore = ^uint64(0)

// page returns the records from a place in the stream on, and where to go on.
func (e *Engine) page(ctx context.Context, seq uint64) ([]engine.Record, uint64, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.direct, e.names.get)
	if err != nil {
		return nil, seq, err
	}
	defer end()
	recs, next, err := e.directPage(call, seq)
	if err == nil && len(recs) == 0 {
		// A replica that lags may say so, too soon. The leader knows.
		var m *storedMsg
		m, err = e.ask(call, e.names.results, getRequest{Seq: seq, NextFor: e.names.result + "*"})
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return nil, noMore, nil
		case err == nil:
			var rec engine.Record
			rec, err = e.record(m.Subject, m.Data)
			recs, next = append(recs, rec), m.Seq+1
		}
	}
	if err != nil {
		return recs, next, e.failAt(call, "all", e.names.results, err)
	}
	return recs, next, nil
}

func (e *Engine) directPage(ctx context.Context, seq uint64) ([]engine.Record, uint64, error) {
	data, err := json.Marshal(getRequest{Seq: seq, NextFor: e.names.result + "*", Batch: pageRecords, MaxBytes: pageBytes})
	if err != nil {
		return nil, seq, err
	}
	msgs := make(chan *nats.Msg, pageRecords+16)
	inbox := e.nc.NewInbox()
	sub, err := e.nc.ChanSubscribe(inbox, msgs)
	if err != nil {
		return nil, seq, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := e.nc.PublishRequest(e.names.direct, inbox, data); err != nil {
		return nil, seq, err
	}
	var recs []engine.Record
	for {
		select {
		case m := <-msgs:
			switch status := m.Header.Get("Status"); status {
			case "":
			case "204", "404": // the end of this page, or of all
				return recs, seq, nil
			case "503":
				return recs, seq, jetstream.ErrNoStreamResponse
			default:
				return recs, seq, fmt.Errorf("the server says %s %s", status, m.Header.Get("Description"))
			}
			at, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
			if err != nil {
				return recs, seq, fmt.Errorf("a message without its sequence: %w", err)
			}
			rec, err := e.record(m.Header.Get("Nats-Subject"), m.Data)
			if err != nil {
				return recs, seq, err
			}
			recs, seq = append(recs, rec), at+1
		case <-ctx.Done():
			return recs, seq, context.Cause(ctx)
		}
	}
}

func (e *Engine) record(subject string, data []byte) (engine.Record, error) {
	id, err := strconv.ParseUint(strings.TrimPrefix(subject, e.names.result), 10, 64)
	if err != nil {
		return engine.Record{}, fmt.Errorf("a result on the subject %q: %w", subject, err)
	}
	return engine.Record{ID: id, Data: data}, nil
}
