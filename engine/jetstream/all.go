package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// A page of All has at most so many records, and so many bytes unless it is one record.
const (
	pageRecords = 256
	pageBytes   = 4 << 20
)

// All returns the records that are stored. It asks for some hundred at a time, so a loop that is slow, or that is
// left, holds nothing in the server. It skips what is stored under anything but an ID. A record that the server
// cannot read is yielded as its ID and an error.
func (e *Engine) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	return func(yield func(engine.Record, error) bool) {
		r := reading{e: e, yield: yield, seen: make(map[uint64]*seenRun)}
		if err := r.all(ctx); err != nil && !r.left {
			yield(engine.Record{}, err)
		}
	}
}

// A reading is one loop over All.
type reading struct {
	e     *Engine
	yield func(engine.Record, error) bool
	left  bool // the loop was left

	upTo     uint64 // the last message when the loop began
	messages uint64 // how many were read, up to that one
	seen     map[uint64]*seenRun
}

// seenRun is what was read of a run: its messages, and the indexes of its records that were yielded. While Delete
// removes one of them, another may be in two messages.
type seenRun struct {
	messages uint64
	records  []uint64
}

// isNew notes an index, and reports whether it was not noted before.
func (s *seenRun) isNew(index int) bool {
	for len(s.records) <= index/64 {
		s.records = append(s.records, 0)
	}
	word, bit := &s.records[index/64], uint64(1)<<(index%64)
	isNew := *word&bit == 0
	*word |= bit
	return isNew
}

func (r *reading) all(ctx context.Context) error {
	state, err := r.state(ctx)
	if err != nil {
		return err
	}
	r.upTo = state.LastSeq
	next, err := r.pages(ctx, 1, r.upTo)
	if err != nil || r.left {
		return err
	}
	// The server passes over what it cannot read. So if it has counted more messages than have
	// come, they were deleted meanwhile, or they are damaged. Where it has found a damaged
	// file, it does not count the messages behind that place, but it knows their subjects.
	if r.messages >= max(state.Msgs, state.NumSubjects) {
		return nil
	}
	return r.rest(ctx, next)
}

// rest yields the records that the server lists and that have not come.
func (r *reading) rest(ctx context.Context, next uint64) error {
	state, err := r.state(ctx, jetstream.WithSubjectFilter(r.e.names.result+"*"))
	if err != nil {
		return err
	}
	if _, err := r.pages(ctx, next, state.LastSeq); err != nil || r.left { // saved meanwhile
		return err
	}
	for subject, messages := range state.Subjects {
		seq, ok := r.e.runOf(subject)
		if seen := r.seen[seq]; !ok || seen != nil && seen.messages >= messages {
			continue
		}
		if err := r.missing(ctx, seq); err != nil || r.left {
			return err
		}
	}
	return nil
}

// missing yields the records of a run that have not come, and says if not all of it can be read.
func (r *reading) missing(ctx context.Context, seq uint64) error {
	call, end, err := r.e.begin(ctx, askTimeout, r.e.names.get, r.e.names.info)
	if err != nil {
		return err
	}
	defer end()
	msgs, _, isWhole, err := r.e.readWholeRun(call, seq, nil)
	if err != nil {
		return r.e.failAt(call, "all", r.e.names.results, err)
	}
	isOdd := false
	for _, m := range msgs {
		isOdd = isOdd || m.isOdd
		if !r.yieldAll(seq, m.results) {
			return nil
		}
	}
	id := r.firstUnseen(seq)
	switch {
	case isOdd:
		r.left = !r.yield(engine.Record{ID: id}, unknownFormat(id))
	case !isWhole:
		r.left = !r.yield(engine.Record{ID: id}, unreadable("the result of task", id))
	}
	return nil
}

// firstUnseen is the ID of a task of a run of which there are results that cannot be read. Whose they are is not
// known; it is one that has not come.
func (r *reading) firstUnseen(seq uint64) uint64 {
	seen := r.run(seq)
	index := 0
	if seq == 0 {
		index = 1 // no ID is 0
	}
	for index < 1<<indexBits-1 && index/64 < len(seen.records) && seen.records[index/64]>>(index%64)&1 != 0 {
		index++
	}
	return idAt(seq, index)
}

func (r *reading) run(seq uint64) *seenRun {
	s := r.seen[seq]
	if s == nil {
		s = &seenRun{}
		r.seen[seq] = s
	}
	return s
}

// yieldAll yields those of the results of a run that have not come. It returns false if the loop was left.
func (r *reading) yieldAll(seq uint64, results []result) bool {
	for _, one := range results {
		if !one.isDeleted && r.run(seq).isNew(one.index) && !r.yield(engine.Record{ID: idAt(seq, one.index), Data: bytes.Clone(one.data)}, nil) {
			r.left = true
			return false
		}
	}
	return true
}

func (r *reading) state(ctx context.Context, opts ...jetstream.StreamInfoOpt) (jetstream.StreamState, error) {
	e := r.e
	call, end, err := e.begin(ctx, askTimeout, e.names.info)
	if err != nil {
		return jetstream.StreamState{}, err
	}
	defer end()
	info, err := e.results.Info(call, opts...)
	if err != nil {
		return jetstream.StreamState{}, e.failAt(call, "all", e.names.results, err)
	}
	return info.State, nil
}

// pages yields the records from one place in the stream to another, and those that come with
// them. It returns where to go on.
func (r *reading) pages(ctx context.Context, from, to uint64) (uint64, error) {
	for from <= to && !r.left {
		msgs, next, err := r.e.page(ctx, from)
		for _, m := range msgs {
			seq, ok := r.e.runOf(m.Subject)
			results, bad := decodeResults(m.Data)
			if ok && bad != nil && isForeign(m.Data) {
				ok = false
			}
			if ok && bad != nil {
				continue // it is not counted, and so found by rest
			}
			if m.Seq <= r.upTo {
				r.messages++
			}
			if !ok {
				continue
			}
			r.run(seq).messages++
			if !r.yieldAll(seq, results) {
				return next, nil
			}
		}
		if err != nil {
			return next, err
		}
		from = max(from, next)
		if len(msgs) == 0 {
			return max(from, to+1), nil
		}
	}
	return from, nil
}

// runOf returns the sequence of the run whose results are stored on a subject. It is false for what others
// have stored on subjects with the same prefix, which is the result of no task.
func (e *Engine) runOf(subject string) (uint64, bool) {
	seq, err := strconv.ParseUint(strings.TrimPrefix(subject, e.names.result), 10, 64)
	return seq, err == nil && seq < 1<<(64-indexBits) && subject == e.resultSubject(seq)
}

// page returns messages from a place in the stream on, and where to go on. It returns no
// messages only if there are none that can be read.
func (e *Engine) page(ctx context.Context, seq uint64) ([]storedMsg, uint64, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.direct, e.names.get)
	if err != nil {
		return nil, seq, err
	}
	defer end()
	msgs, err := e.directPage(call, seq, e.names.result+"*")
	if err == nil && len(msgs) == 0 {
		// A replica that lags may say so too soon. The leader knows.
		var m *storedMsg
		m, err = e.ask(call, e.names.results, getRequest{Seq: seq, NextFor: e.names.result + "*"})
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return nil, seq, nil
		case err == nil:
			msgs = append(msgs, *m)
		}
	}
	if len(msgs) > 0 {
		seq = msgs[len(msgs)-1].Seq + 1
	}
	if err != nil {
		err = e.failAt(call, "all", e.names.results, err)
	}
	return msgs, seq, err
}

func (e *Engine) directPage(ctx context.Context, seq uint64, subject string) ([]storedMsg, error) {
	req := getRequest{Seq: seq, NextFor: subject, Batch: pageRecords, MaxBytes: pageBytes}
	sub, msgs, err := e.request(e.names.direct, req, pageRecords)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	var page []storedMsg
	for {
		select {
		case m := <-msgs:
			switch status := m.Header.Get("Status"); status {
			case "":
			case "204", "404": // the end of this page, or of all
				return page, nil
			case "503":
				return page, jetstream.ErrNoStreamResponse
			default:
				return page, fmt.Errorf("the server says %s %s", status, m.Header.Get("Description"))
			}
			at, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
			if err != nil {
				return page, fmt.Errorf("a message without its sequence: %w", err)
			}
			page = append(page, storedMsg{Subject: m.Header.Get("Nats-Subject"), Seq: at, Data: m.Data})
		case <-ctx.Done():
			return page, context.Cause(ctx)
		}
	}
}
