package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/engine"
)

func (e *Engine) resultSubject(seq uint64) string {
	return e.names.result + strconv.FormatUint(seq, 10)
}

// Load returns the record with that ID. With replicas any of them may answer: a record that was deleted a moment
// ago may still be found.
func (e *Engine) Load(ctx context.Context, id uint64) ([]byte, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.direct, e.names.get, e.names.info)
	if err != nil {
		return nil, err
	}
	defer end()
	data, read, err := e.direct(call, id)
	if errors.Is(err, engine.ErrNotFound) {
		data, err = e.lastOrUnreadable(call, id, read)
	}
	if errors.Is(err, errUnreadable) && e.hasTask(call, id) == nil { // it is not its own result that cannot be read
		err = engine.ErrNotFound
	}
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, engine.ErrNotFound):
		return nil, fmt.Errorf("jetstream: no result of task %d: %w", id, engine.ErrNotFound)
	}
	return nil, e.failAt(call, "load", e.names.results, err)
}

// direct gets a record from any replica. A replica that lags does not find it. It returns how many messages of the run it has
// read, if it has read all.
func (e *Engine) direct(ctx context.Context, id uint64) (data []byte, read int, err error) {
	m, err := e.results.GetLastMsgForSubject(ctx, e.resultSubject(seqOf(id)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, 0, engine.ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	data, isOdd, err := find(m.Data, id)
	switch {
	case err == nil:
		return data, 0, nil
	case m.Header.Get(nats.ExpectedLastSubjSeqHdr) == "0" && !isOdd:
		return nil, 1, err
	}
	for from := uint64(1); ; { // it is in an earlier one, perhaps
		msgs, err := e.directPage(ctx, from, e.resultSubject(seqOf(id)))
		if err != nil {
			return nil, 0, err
		}
		if len(msgs) == 0 {
			return nil, read, engine.ErrNotFound
		}
		for _, m := range msgs {
			data, isOdd, err := find(m.Data, id)
			if err == nil {
				return data, 0, nil
			}
			if from = m.Seq + 1; !isOdd {
				read++
			}
		}
	}
}

// find returns a record that is in a message of results, or that it was not written as this version writes them.
func find(msg []byte, id uint64) (data []byte, isOdd bool, err error) {
	results, err := decodeResults(msg)
	if err != nil {
		return nil, true, engine.ErrNotFound
	}
	data, err = findIn(results, id)
	return data, false, err
}

func findIn(results []result, id uint64) ([]byte, error) {
	for _, r := range results {
		if r.index == indexOf(id) && !r.isDeleted {
			return bytes.Clone(r.data), nil // or it would keep those of the others
		}
	}
	return nil, engine.ErrNotFound
}

// A resultMsg is a message with results of a run.
type resultMsg struct {
	seq     uint64
	results []result
	isOdd   bool // it was not written as this version writes them
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
		results, bad := decodeResults(m.Data)
		msgs = append(msgs, resultMsg{m.Seq, results, bad != nil && !isForeign(m.Data)})
		next.Seq = m.Seq + 1
	}
}

// readWholeRun is readRun for who must know that nothing is missing: isWhole is false if the server lists messages that it
// cannot read, or if enough, which is asked after each look, said that no more looks are needed. Each message below end,
// which is above all of msgs, is in msgs or was removed, if isWhole is true.
//
// Deletes by others make it look for a moment as if something were missing. They change the number of messages or the
// last one, and damage does not: it is damage if two looks see the same.
func (e *Engine) readWholeRun(ctx context.Context, seq uint64, enough func([]resultMsg) bool) (msgs []resultMsg, end uint64, isWhole bool, err error) {
	subject := e.resultSubject(seq)
	type view struct {
		listed, last uint64
		read         int
	}
	for before := (view{}); ; {
		info, err := e.results.Info(ctx, jetstream.WithSubjectFilter(subject)) // first: nothing is below end that comes later
		if err != nil {
			return nil, 0, false, err
		}
		now, upTo, known := view{listed: info.State.Subjects[subject]}, info.State.LastSeq, uint64(0)
		if now.listed == 0 {
			return nil, 0, true, nil
		}
		msgs, err := e.readRun(ctx, seq)
		if err != nil {
			return nil, 0, false, err
		}
		for _, m := range msgs {
			if now.last = m.seq; m.seq <= upTo { // what has come later was not listed
				known++
			}
		}
		now.read = len(msgs)
		end, isWhole := max(upTo, now.last)+1, known >= now.listed
		if isWhole || now == before || enough != nil && enough(msgs) {
			return msgs, end, isWhole, nil
		}
		before = now
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return nil, 0, false, err
		}
	}
}

// Delete forgets the records with those IDs.
func (e *Engine) Delete(ctx context.Context, ids []uint64) error {
	call, end, err := e.begin(ctx, 0, e.names.purge, e.names.result, e.names.get, e.names.info)
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
	known, release, err := e.saves.acquire(ctx, seq)
	if err != nil {
		return err
	}
	defer release()
	*known = save{}
	for d := (deleting{e: e, seq: seq, which: which}); ; {
		ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
		isDone, err := d.try(ctx)
		cancel()
		if isDone || err != nil {
			return err
		}
	}
}

// A deleting is the deletes of results of one run. What is left of them is stored in new messages, with the indexes that
// were deleted, and then the old ones are removed. While both are there, All yields what is in both once.
//
// To say in a message which of the earlier ones are deleted would be less to write, but All would have to read
// everything twice.
type deleting struct {
	e     *Engine
	seq   uint64
	which *set

	isCompact bool   // nothing is to be deleted
	written   uint64 // the last new message

	last   uint64 // the last message on the subject, as a server has said
	isSaid bool
}

// try returns false if others have written meanwhile, or may have: then it is to be called again.
func (d *deleting) try(ctx context.Context) (isDone bool, err error) {
	e := d.e
	msgs, end, isWhole, err := e.readWholeRun(ctx, d.seq, func([]resultMsg) bool { return d.isCompact })
	switch {
	case err != nil:
		return false, err
	case slices.ContainsFunc(msgs, func(m resultMsg) bool { return m.isOdd }):
		return false, unknownFormat(idAt(d.seq, 0))
	case !isWhole:
		return false, unreadable("a result beside that of task", idAt(d.seq, 0))
	}
	left, isNew := d.divide(msgs)
	if len(msgs) == 0 || !isNew && !d.isCompact {
		return true, nil
	}
	last := msgs[len(msgs)-1].seq
	if d.isSaid {
		last = d.last
	}
	if !slices.ContainsFunc(left, func(r result) bool { return !r.isDeleted }) {
		if d.isSaid = false; len(left) > 0 {
			awaited, err := e.awaitsOthers(ctx, d.seq, left)
			if err != nil {
				return false, err
			}
			if !awaited {
				left = nil
			}
		}
	}
	for i, data := range e.pack(left) {
		ack, err := e.js.PublishMsg(ctx, e.resultsMessage(d.seq, last, data), jetstream.WithRetryAttempts(0))
		if isThere(err) || isSaving(err) {
			if d.isSaid = false; isThere(err) {
				d.last, d.isSaid = lastOf(err)
			}
			return false, pause(ctx, underWayPause)
		}
		if err != nil {
			return false, err
		}
		if last = ack.Sequence; i == 0 {
			end = ack.Sequence
		}
	}
	d.written = last
	err = e.results.Purge(ctx, jetstream.WithPurgeSubject(e.resultSubject(d.seq)), jetstream.WithPurgeSequence(end))
	// If nothing is left, no message has made sure that nobody has written since they were read. Another Delete may
	// have stored anew what this one was to delete, and so this one looks again.
	return len(left) > 0, err
}

// divide returns what is to be left of messages, each index once, and whether that is less than there is.
func (d *deleting) divide(msgs []resultMsg) (left []result, isNew bool) {
	gone := *d.which
	for _, m := range msgs {
		for _, r := range m.results {
			if r.isDeleted { // by another Delete, which has not removed what was before
				gone.add(r.index)
			}
		}
	}
	var had set
	for _, m := range msgs {
		for _, r := range m.results {
			isNew = isNew || d.which.has(r.index) && !r.isDeleted
			if had.has(r.index) {
				continue
			}
			had.add(r.index)
			if gone.has(r.index) {
				r = result{index: r.index, isDeleted: true}
			}
			left = append(left, r)
		}
	}
	return left, isNew
}

// awaitsOthers reports whether the message of a run, all of whose results so far are deleted, or a rest of it, is in the queue
// for other tasks: if it is delivered again, those that are done are not to run again.
func (e *Engine) awaitsOthers(ctx context.Context, seq uint64, done []result) (bool, error) {
	if seq == 0 {
		return false, nil
	}
	m, err := e.ask(ctx, e.names.tasks, getRequest{Seq: seq})
	if err == nil && m.Subject == e.names.task {
		if entries, _, err := decodeRun(m.Data); err == nil && len(entries) > len(done) {
			return true, nil
		}
	}
	if err == nil || errors.Is(err, engine.ErrNotFound) {
		_, err = e.ask(ctx, e.names.tasks, getRequest{Seq: 1, NextFor: e.restsOf(seq)})
	}
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// dropDeleted removes those tasks from a run whose results are deleted: it was delivered again for the others.
func (e *Engine) dropDeleted(ctx context.Context, r *pulledRun) error {
	ctx, end, err := e.begin(ctx, min(askTimeout, e.lease/4), e.names.get)
	if err != nil {
		return err
	}
	defer end()
	msgs, err := e.readRun(ctx, r.seq)
	if err != nil {
		return err
	}
	var deleted set
	for _, m := range msgs {
		for _, one := range m.results {
			if one.isDeleted {
				deleted.add(one.index)
			}
		}
	}
	r.entries = slices.DeleteFunc(r.entries, func(one entry) bool { return deleted.has(one.index) })
	return nil
}
