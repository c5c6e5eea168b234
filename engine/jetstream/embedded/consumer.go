package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A consumerState is what a server remembers of a consumer, in "o.dat". It has no checksum, and a
// server trusts it: with a damaged one it would skip tasks that were never delivered. Without
// it, the server delivers everything in the queue again, which is always right.
type consumerState struct {
	floor, delivered pair
	pending          map[uint64]uint64 // by the sequence of the task: the sequence of its delivery
}

type pair struct{ consumer, stream uint64 }

// parseConsumerState returns false if buf is not what a server writes.
func parseConsumerState(buf []byte, now time.Time) (*consumerState, bool) {
	buf, ok := bytes.CutPrefix(buf, []byte{22, 2})
	r := bytes.NewReader(buf)
	next := func() uint64 { // 0 after the end
		v, err := binary.ReadUvarint(r)
		ok = ok && err == nil
		return v
	}
	signed := func() int64 {
		v, err := binary.ReadVarint(r)
		ok = ok && err == nil
		return v
	}
	s := &consumerState{
		floor:     pair{next(), next()},
		delivered: pair{next(), next()},
		pending:   make(map[uint64]uint64),
	}
	n := next()
	if !ok || n > uint64(r.Len()) {
		return nil, false
	}
	latest := now.Add(time.Minute).Unix()
	var base int64
	if n > 0 {
		base = signed()
	}
	for range n {
		seq, delivery := s.floor.stream+next(), s.floor.consumer+next()
		if when := base - signed(); when < 0 || when > latest {
			return nil, false // the task would not be delivered again before that time
		}
		s.pending[seq] = delivery
	}
	if uint64(len(s.pending)) != n {
		return nil, false
	}
	n = next()
	if n > uint64(r.Len()) {
		return nil, false
	}
	for range n {
		if next() == 0 || next() > 1<<20 {
			return nil, false
		}
	}
	return s, ok && r.Len() == 0 && s.sensible()
}

// sensible reports whether what is pending was delivered in the order of the tasks, and after the
// floor. The server relies on that when it raises the floor.
func (s *consumerState) sensible() bool {
	if s.floor.consumer > s.delivered.consumer || s.floor.stream > s.delivered.stream {
		return false
	}
	last := s.floor
	for _, seq := range slices.Sorted(maps.Keys(s.pending)) {
		at := pair{s.pending[seq], seq}
		if at.stream <= last.stream || at.consumer <= last.consumer {
			return false
		}
		last = at
	}
	return last.stream <= s.delivered.stream && last.consumer <= s.delivered.consumer
}

// acknowledged returns which of the tasks in the queue were acknowledged, by this state.
func (s *consumerState) acknowledged(tasks []uint64) []uint64 {
	var acked []uint64
	for _, seq := range tasks {
		if _, ok := s.pending[seq]; !ok && seq <= s.delivered.stream {
			acked = append(acked, seq)
		}
	}
	return acked
}

// checkConsumers notes damaged consumers. Their state may be forgotten, but not their
// configuration.
func (c *streamCheck) checkConsumers(ctx context.Context) error {
	consumers, err := c.consumers()
	if err != nil {
		return err
	}
	for _, consumer := range consumers {
		if err := c.checkConsumer(ctx, consumer); err != nil {
			return err
		}
	}
	return nil
}

func (c *streamCheck) checkConsumer(ctx context.Context, consumer string) error {
	dir := c.consumerDir(consumer)
	state := filepath.Join(dir, stateFile)
	meta, problem, err := readMeta(dir, c.name+"/"+consumer)
	if err != nil {
		return err
	}
	if problem != nil {
		if _, isMarked := c.marked.Consumers[consumer]; problem.incomplete && !isMarked && !fileIs(state) {
			c.remakeMeta(dir)
			return nil
		}
		c.errs = append(c.errs, fmt.Errorf("%s: %w, and without it the lease and what was delivered of stream %s are not known: "+
			"restore it from a backup, or move %s away: tasks that are held are delivered again then, and the lease is as in the Options",
			problem.path, problem.what, c.name, dir))
		return nil
	}
	var config server.FileConsumerInfo
	if err := json.Unmarshal(meta, &config); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
	}
	if !c.ours() || c.config.Retention != server.WorkQueuePolicy {
		return nil
	}
	buf, err := os.ReadFile(state)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, known := c.marks.States[relative(c.root, state)]
	ok := !c.marks.Closed || !known || sum == sha256Of(buf)
	if ok && config.AckPolicy == server.AckExplicit {
		if ok, err = c.believable(ctx, buf); err != nil {
			return err
		}
	}
	if !ok {
		c.heals = append(c.heals, state)
	}
	return nil
}

// believable reports whether the state of a consumer skips no task that waits. A message that was
// acknowledged by that state is no longer in the queue; or, if a server has died, some of its tasks have
// results, or were put into a message of their own, which is in the queue.
func (c *streamCheck) believable(ctx context.Context, buf []byte) (bool, error) {
	state, ok := parseConsumerState(buf, time.Now())
	if !ok || state.delivered.stream > c.msgs.last {
		return false, nil
	}
	acked := state.acknowledged(c.msgs.live)
	if len(acked) == 0 {
		return true, nil
	}
	name := strings.TrimSuffix(c.name, "_tasks") + "_results"
	results := streamDir{c.account, name, filepath.Join(filepath.Dir(c.dir), name)}
	done, err := readMessages(ctx, results, c.unsynced, true)
	if err != nil {
		return false, err
	}
	tasks, err := readMessages(ctx, c.streamDir, c.unsynced, true)
	if err != nil {
		return false, err
	}
	known := make(map[uint64]bool)
	for _, run := range done.runs {
		known[run] = true
	}
	rests := make(map[uint64]int)
	for _, run := range tasks.runs {
		rests[run]++
	}
	return !slices.ContainsFunc(acked, func(seq uint64) bool {
		run, isRest := tasks.runs[seq]
		if !isRest {
			run = seq
		} else {
			rests[run]-- // by another one
			defer func() { rests[run]++ }()
		}
		return !known[run] && rests[run] == 0
	}), nil
}
