package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

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
		if err := e.fits("the result of task", rec.ID, rec.Data); err != nil {
			return err
		}
	}
	saved := 0
	var failed error
	publishing := publishing{
		e: e, ctx: call,
		message: func(i int) *nats.Msg {
			return &nats.Msg{Subject: e.resultSubject(recs[i].ID), Data: recs[i].Data, Header: nats.Header{nats.ExpectedLastSubjSeqHdr: {"0"}}}
		},
		done: func(_ int, _ *jetstream.PubAck, err error) fate {
			switch {
			case err == nil, isThere(err):
				saved++
				return settled
			case isSaving(err):
				return underWay
			}
			failed = cmp.Or(failed, err)
			return over
		},
	}
	failed = cmp.Or(publishing.run(len(recs)), failed)
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

// Delete forgets the records with those IDs.
func (e *Engine) Delete(ctx context.Context, ids []uint64) error {
	call, end, err := e.begin(ctx, 0, e.names.purge)
	if err != nil {
		return err
	}
	defer end()
	purges, ctx := errgroup.WithContext(call)
	purges.SetLimit(16)
	for _, id := range ids {
		purges.Go(func() error {
			ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
			defer cancel()
			return e.results.Purge(ctx, jetstream.WithPurgeSubject(e.resultSubject(id)))
		})
	}
	if err := purges.Wait(); err != nil {
		return e.failAt(call, "delete", e.names.results, err)
	}
	return nil
}
